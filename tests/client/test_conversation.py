"""What a session waits for, against a server that plays a test's messages, audio included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.conversation import ClientConversation
from pytest_dgbudget.client.expectations import Expectation
from pytest_dgbudget.client.session_io import SessionIO
from pytest_dgbudget.errors import AgentError, DgBudgetError, ExpectTimeout, SessionClosed
from pytest_dgbudget.model import MeasuredTurn

SECOND = 16_000  # bytes of the agent's audio
AUDIO = {"output": {"encoding": "linear16", "sample_rate": 8_000}}
STARTED, DONE = {"type": "UserStartedSpeaking"}, {"type": "AgentAudioDone"}

Played = dict[str, Any] | bytes


def user(content: str) -> dict[str, Any]:
    return {"type": "ConversationText", "role": "user", "content": content}


def agent(content: str) -> dict[str, Any]:
    return {"type": "ConversationText", "role": "assistant", "content": content}


class ScriptedSession:
    """A session, and the server's side of it."""

    def __init__(self, io: SessionIO, server: ServerConnection) -> None:
        self.io = io
        self.server = server
        self.listened = 0
        self.talk = ClientConversation(io, self.measured, self.listens)

    async def listens(self) -> None:
        self.listened += 1

    async def measured(self) -> Sequence[MeasuredTurn]:
        return []

    async def play(self, *messages: Played) -> None:
        """Have the server send these, and return when they have come."""
        wanted = len(self.io.received.messages) + self.io.received.frames + len(messages)
        for message in messages:
            await self.server.send(message if isinstance(message, bytes) else json.dumps(message))
        received = self.io.received
        await self.io.until(lambda: len(received.messages) + received.frames == wanted or None, 5, "what is played", 0)


@asynccontextmanager
async def session(*, greeting: str = "", skips_time: bool = False) -> AsyncIterator[ScriptedSession]:
    served: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def serves(connection: ServerConnection) -> None:
        served.set_result(connection)
        await connection.wait_closed()

    async def why_closed(closed: ConnectionClosed) -> DgBudgetError:
        return SessionClosed(str(closed), code=1000, reason="", closed_by="server")

    settings = {"type": "Settings", "audio": AUDIO, "agent": {"greeting": greeting}}
    async with serve(serves, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        websocket = await connect(f"ws://127.0.0.1:{port}", proxy=None)
        io = SessionIO(websocket, "id", settings, why_closed, skips_time=skips_time)
        played = ScriptedSession(io, await served)
        try:
            await played.play({"type": "Welcome"}, {"type": "SettingsApplied"})
            yield played
        finally:
            await io.close()


def in_loop(rule: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        asyncio.run(rule())  # type: ignore[arg-type]

    return test


async def pending(waiting: asyncio.Future[Any]) -> bool:
    """Whether something still waits, when all that could happen has happened."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not waiting.done()


# Turns ----------------------------------------------------------------------------------------------------------------


@in_loop
async def test_the_audio_of_a_turn_is_that_of_its_reply() -> None:
    async with session(greeting="Hello!") as played:
        saying = asyncio.ensure_future(played.talk.say("q", 5))
        await played.play(agent("Hello!"), b"g" * SECOND, user("q"), b"g", DONE, b"a", agent("Yes."), b"bc", DONE)
        turn = await saying
        assert (turn.reply, turn.audio) == ("Yes.", b"abc")


@in_loop
async def test_audio_that_comes_before_an_injected_messages_words_is_its_own() -> None:
    async with session() as played:
        await played.play(user("q"), agent("No."), b"old", DONE)
        injecting = asyncio.ensure_future(played.talk.inject_agent_message("Still there?", None, 5))
        assert json.loads(await played.server.recv())["type"] == "InjectAgentMessage"
        await played.play(b"a", agent("Still there?"), b"b", DONE)
        turn = await injecting
        assert (turn.reply, turn.audio, turn.latency) == ("Still there?", b"ab", None)


@in_loop
async def test_a_message_injected_meanwhile_does_not_take_the_reply_to_speech() -> None:
    async with session() as played:
        played.talk.user_speaks()
        injecting = asyncio.ensure_future(played.talk.inject_agent_message("Still there?", None, 5))
        await played.play(STARTED, user("hi"), agent("Still there?"), b"x", DONE, agent("Hello."), b"y", DONE)
        await injecting
        assert (await played.talk.wait_for_reply(5)).user_transcript == "hi"


@in_loop
async def test_what_is_said_in_two_parts_has_one_reply() -> None:
    async with session() as played:
        played.talk.user_speaks()
        await played.play(STARTED, user("Where is"))
        played.talk.user_speaks()
        await played.play(STARTED, user("my order?"), agent("Here."), b"x", DONE)
        turn = await played.talk.wait_for_reply(5)
        assert (turn.user_transcript, turn.reply) == ("Where is my order?", "Here.")


@in_loop
async def test_a_refused_message_raises_with_its_reason() -> None:
    async with session() as played:
        saying = asyncio.ensure_future(played.talk.say("q", 5))
        await played.play({"type": "InjectionRefused", "message": "I am speaking"})
        with pytest.raises(AgentError, match="I am speaking"):
            await saying


# Silence --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skips_time", [False, True])
def test_silence_waits_for_the_answer_to_speech(skips_time: bool) -> None:
    async def rule() -> None:
        async with session(skips_time=skips_time) as played:
            played.talk.user_speaks()
            played.talk.user_spoke()
            waiting = asyncio.ensure_future(played.talk.wait_until_silent(5))
            for part in ((STARTED,), (user("hi"),), (agent("Hello."),), (b"x",)):
                await played.play(*part)
                assert await pending(waiting)
            await played.play(DONE)
            await waiting
            assert played.listened == (1 if skips_time else 0)

    asyncio.run(rule())


@in_loop
async def test_silence_after_a_refusal_still_waits_for_the_answer_to_speech() -> None:
    async with session() as played:
        await played.play(user("hi"))
        await played.io.send({"type": "InjectUserMessage", "content": "q"})
        await played.play({"type": "InjectionRefused", "message": "I am thinking"})
        waiting = asyncio.ensure_future(played.talk.wait_until_silent(5))
        assert await pending(waiting)
        await played.play(agent("Hello."), b"x", DONE)
        await waiting


@in_loop
async def test_a_refused_message_is_not_waited_for() -> None:
    async with session() as played:
        await played.io.send({"type": "InjectUserMessage", "content": "q"})
        await played.play({"type": "InjectionRefused", "message": "I am speaking"})
        await played.talk.wait_until_silent(0)


@in_loop
async def test_an_answer_with_the_greetings_words_is_an_answer() -> None:
    async with session(greeting="Hello! How can I help?") as played:
        await played.play(agent("Hello! How can I help?"), b"x", DONE, user("hi"), agent("Hello!"), b"y", DONE)
        await played.talk.wait_until_silent(1)


@in_loop
async def test_after_noise_the_agent_is_heard_again() -> None:
    async with session() as played:
        await played.play(agent("One moment."), bytes(SECOND), STARTED, DONE)  # and no transcript comes
        injecting = asyncio.ensure_future(played.talk.inject_agent_message("Still there?", None, 5))
        await played.server.recv()
        await played.play(agent("Still there?"), bytes(SECOND), DONE)
        await injecting
        assert played.io.received.heard.is_speaking(played.io.now())


@in_loop
async def test_an_agent_that_lets_an_interruption_pass_without_done_is_heard_again() -> None:
    async with session() as played:
        await played.play(agent("One moment."), bytes(SECOND), STARTED)
        injecting = asyncio.ensure_future(played.talk.inject_agent_message("Still there?", None, 5))
        await played.server.recv()
        await played.play(agent("Still there?"), bytes(SECOND), DONE)
        await injecting
        assert played.io.received.heard.is_speaking(played.io.now())


@in_loop
async def test_an_answer_that_is_over_when_the_user_has_finished_is_not_waited_for() -> None:
    async with session(skips_time=True) as played:
        played.talk.user_speaks()
        await played.play(STARTED, user("hi"), agent("Hello."), b"x", DONE)
        played.talk.user_spoke()
        await played.talk.wait_until_silent(0)


@in_loop
async def test_a_lost_session_is_not_silence() -> None:
    async with session() as played:
        await played.play(user("hi"))
        waiting = asyncio.ensure_future(played.talk.wait_until_silent(5))
        await asyncio.sleep(0)
        await played.server.close()
        with pytest.raises(SessionClosed):
            await waiting


@in_loop
async def test_who_waits_in_vain_learns_how_long_and_for_what() -> None:
    async with session() as played:
        await played.play(user("hi"))
        with pytest.raises(ExpectTimeout, match=r"^no silence of the agent within 0\.05 s; came instead: "):
            await played.talk.wait_until_silent(0.05)


# Interruptions --------------------------------------------------------------------------------------------------------


@in_loop
async def test_the_echo_of_a_text_is_not_what_was_said_over_the_agent() -> None:
    async with session(greeting="Hello! How can I help?") as played:
        await played.play(agent("Hello! How can I help?"), bytes(SECOND))
        begun = await played.talk.before_barge_in(0, 5)
        played.talk.user_speaks()
        await played.play(
            user("Tell me a story."), STARTED, bytes(SECOND // 2), DONE, user("Stop."), agent("Yes."), b"y", DONE
        )
        cut = await played.talk.after_barge_in(begun, 5)
        assert (cut.user_transcript, cut.reply, cut.late_seconds) == ("Stop.", "Hello! How can I help?", 0.5)
        turn = await played.talk.wait_for_reply(5)
        assert (turn.user_transcript, turn.reply, turn.audio) == ("Stop.", "Yes.", b"y")


@in_loop
async def test_of_an_injected_message_that_is_interrupted_only_its_own_words_are_the_reply() -> None:
    async with session() as played:
        await played.play(user("hi"), agent("Good day."), b"x", DONE, agent("There was once"), bytes(SECOND))
        begun = await played.talk.before_barge_in(0, 5)
        await played.play(STARTED, user("Stop."))
        assert (await played.talk.after_barge_in(begun, 5)).reply == "There was once"


# Messages -------------------------------------------------------------------------------------------------------------


@in_loop
async def test_a_predicate_that_fails_for_an_earlier_message_hides_no_timeout() -> None:
    async with session() as played:
        await played.play(agent("no number"))
        await played.talk.expect(Expectation(type="ConversationText", predicate=None, fields={}), 1)
        is_one = Expectation(type="ConversationText", predicate=lambda said: int(said.content) == 1, fields={})
        with pytest.raises(ExpectTimeout, match="no ConversationText, a lambda within 0 s"):
            await played.talk.expect(is_one, 0)


@in_loop
async def test_without_audio_nobody_says_when_it_was_sent() -> None:
    async with session() as played:
        await played.play(STARTED)
        with pytest.raises(ExpectTimeout, match="the user's turn has not ended: no audio was sent"):
            await played.talk.wait_for_reply(0)


def called(name: str) -> dict[str, Any]:
    call = {"id": f"{name}-1", "name": name, "arguments": "{}", "client_side": True}
    return {"type": "FunctionCallRequest", "functions": [call]}


@in_loop
async def test_who_waits_in_vain_learns_which_function_nobody_answers_and_which_has_not_returned() -> None:
    async with session() as played:
        begun = asyncio.Event()

        async def lookup(call: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        played.io.functions.register("lookup", lookup)
        await played.play(called("lookup"), called("book"), called("cancel"))
        await begun.wait()
        await played.io.send({"type": "FunctionCallResponse", "id": "cancel-1", "name": "cancel", "content": ""})
        missed = "; no handler answers book: register .* with on_function; the handler of lookup has not returned;"
        with pytest.raises(ExpectTimeout, match=missed):
            await played.talk.expect(Expectation(type="AgentAudioDone", predicate=None, fields={}), 0)


@in_loop
async def test_a_message_of_the_clients_is_never_awaited_for_long_without_a_word() -> None:
    async with session() as played:
        with pytest.raises(ExpectTimeout, match="; InjectUserMessage is a message of the client's, which the agent"):
            await played.talk.expect(Expectation(type="InjectUserMessage", predicate=None, fields={}), 0)
