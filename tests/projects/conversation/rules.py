"""What holds for a session in async tests and in sync ones: each rule is a function of how to open one."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import anyio
import pytest

from pytest_dgbudget import AgentAudio, AgentError, BadFunctionCall, DgBudgetError, ExpectTimeout, FunctionCall
from tests.projects.conversation.faces import Open

ORDER_STATUS = {
    "name": "order_status",
    "parameters": {
        "type": "object",
        "properties": {
            "order_id": {"type": "string"},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}},
            },
        },
        "required": ["order_id"],
    },
}
THINK: dict[str, Any] = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "functions": [ORDER_STATUS]}
SETTINGS: dict[str, Any] = {"agent": {"think": THINK}}
GREETING: dict[str, Any] = {"agent": {"think": THINK, "greeting": "Hello! How can I help you?"}}
SPEECH = b"".join(((-1) ** (n // 40) * 9000).to_bytes(2, "little", signed=True) for n in range(24000))  # 1 s


async def a_turn_has_both_parts_their_sound_and_the_latency(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        turn = await session.say("Where is my order?")
    assert (turn.user_transcript, turn.reply) == ("Where is my order?", "It is on its way. It comes tomorrow.")
    assert len(turn.audio) > 24000
    assert turn.latency is not None
    assert 0 <= turn.latency < 30
    assert turn.events[-1].type == "AgentAudioDone"
    assert turn.function_calls == ()


async def messages_have_their_time_and_audio_its_place_among_them(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        turn = await session.say("Where is my order?")
        timeline = session.timeline()
    times = [each.at for each in timeline]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 60
    audio = [each for each in timeline if isinstance(each, AgentAudio)]
    assert b"".join(each.data for each in audio) == turn.audio == session.audio
    assert sum(each.seconds or 0 for each in audio) == pytest.approx(len(turn.audio) / 48000, abs=0.01)
    names = [type(each).__name__ if isinstance(each, AgentAudio) else each.type for each in timeline]
    assert names.index("SettingsApplied") < names.index("AgentAudio") < names.index("AgentAudioDone")


async def expect_takes_predicates_of_fields_and_of_the_message(open_session: Open) -> None:
    async with open_session(GREETING) as session:
        said = await session.expect("ConversationText", lambda text: "help" in text.content, role="assistant")
        assert said.content.endswith("How can I help you?")
        await session.send({"type": "InjectUserMessage", "content": "Where is my order?"})
        said = await session.expect("ConversationText", role=lambda role: role != "user", content=re.compile("way"))
        assert said.content == "It is on its way."


async def a_failed_expectation_says_what_was_different_and_when(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        await session.send({"type": "InjectUserMessage", "content": "Where is my order?"})
        await session.expect("AgentAudioDone")
        await session.send({"type": "InjectUserMessage", "content": "Where is my order?"})

        def is_sorry(said: Any) -> bool:
            return "sorry" in said.content

        with pytest.raises(ExpectTimeout) as caught:
            await session.expect("ConversationText", is_sorry, role="assistant", timeout="1s")
        with pytest.raises(ExpectTimeout, match="it has no field 'text'"):
            await session.expect("ConversationText", text="sorry", timeout=0)
    first, *came = str(caught.value).splitlines()
    assert first.startswith("no ConversationText, is_sorry, role='assistant' within 1 s; the last ConversationText ")
    assert "is_sorry is false for it" in first
    assert re.fullmatch(r" +\d+\.\d\d s  ConversationText user: 'Where is my order\?'", came[0])
    assert any(re.fullmatch(r" +\d+\.\d\d s  \(agent audio, \d\.\d s\)", line) for line in came)


async def what_a_predicate_raises_is_raised(open_session: Open) -> None:
    async with open_session(GREETING) as session:

        def breaks(_: Any) -> bool:
            raise LookupError("no such thing")

        with pytest.raises(LookupError, match="no such thing"):
            await session.expect("ConversationText", breaks)
        assert (await session.expect("ConversationText")).role == "assistant"


async def the_reply_to_speech_is_a_turn(open_session: Open) -> None:
    async with open_session(GREETING) as session:
        await session.send({"type": "InjectUserMessage", "content": "talk at length"})
        await session.wait_until_silent()
        await session.send_audio(SPEECH)
        turn = await session.wait_for_reply()
        assert (turn.user_transcript, turn.reply) == ("Where is my order?", "It is on its way. It comes tomorrow.")
        assert turn.latency is not None
        assert turn.audio
        with pytest.raises(ExpectTimeout, match="no reply from the agent to what was said aloud within 0 s"):
            await session.wait_for_reply(timeout=0)


async def updates_wait_for_their_acknowledgement(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        await session.update_prompt("Speak like a pirate.")
        await session.update_speak({"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}})
        await session.update_think(THINK)
        await session.update_listen({"provider": {"type": "deepgram", "model": "nova-3"}})
        updates = [event.type for event in session.events() if event.type.endswith("Updated")]
        assert updates == ["PromptUpdated", "SpeakUpdated", "ThinkUpdated", "ListenUpdated"]


async def an_update_that_the_agent_refuses_raises_its_error(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        with pytest.raises(AgentError) as caught:
            await session.update_think({"provider": "none"})
        assert caught.value.code


async def the_agent_says_what_is_injected(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        turn = await session.inject_agent_message("Are you still there? I am.")
        assert (turn.user_transcript, turn.reply) == ("", "Are you still there? I am.")
        assert turn.audio
        assert turn.latency is None


async def calls_are_answered_and_remembered(open_session: Open) -> None:
    answered: list[str] = []
    async with open_session(SETTINGS) as session:

        @session.on_function("order_status")
        async def order_status(order_id: str, items: Any = ()) -> str:
            answered.append(order_id)
            return f"{order_id} is on its way"

        turn = await session.say("two lookups")
        calls = session.function_calls("order_status")
        assert session.function_calls("another") == []
    assert turn.reply == "Both: B-2 is on its way"
    assert sorted(answered) == ["A-17", "B-2"]
    assert calls == session.function_calls() == list(turn.function_calls)
    assert [_arguments(call) for call in calls] == [
        {"order_id": "A-17", "items": [{"count": 1}]},
        {"order_id": "B-2"},
    ]


async def a_call_that_the_settings_do_not_allow_names_the_place_and_the_value(open_session: Open) -> None:
    for text, place, value, what in (
        ("a number", "/order_id", 17, "/order_id is 17, which must be string"),
        ("an empty item", "/items/1/count", 0, "/items/1/count is 0, which must be bigger than or equal to 1"),
        ("no order", "", {}, "they must contain ['order_id'] properties"),
    ):
        async with open_session(SETTINGS) as session:
            session.on_function("order_status")(pytest.fail)
            with pytest.raises(BadFunctionCall, match=re.escape(what)) as caught:
                await session.say(text, timeout="5s")
        assert (caught.value.function, caught.value.path, caught.value.value) == ("order_status", place, value)


async def a_handler_that_stops_or_cancels_itself_fails_at_once(open_session: Open) -> None:
    for error in (StopIteration(), asyncio.CancelledError()):
        async with open_session(SETTINGS) as session:

            @session.on_function("order_status")
            def order_status(order_id: str, error: BaseException = error) -> None:
                raise error

            with pytest.raises(RuntimeError, match=f"raised {type(error).__name__}") as caught:
                await session.say("one lookup", timeout="5s")
        assert isinstance(caught.value.__cause__, type(error))


async def a_predicate_can_not_wait_for_the_session(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        with pytest.raises(DgBudgetError, match="calls that wait can't be used in a predicate"):
            await session.expect("Welcome", lambda _: session.usage.seconds >= 0)
        assert session.usage.seconds >= 0


async def a_function_of_update_think_is_checked_as_well(open_session: Open) -> None:
    weather = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    async with open_session(SETTINGS) as session:
        session.on_function("weather")(pytest.fail)
        await session.update_think({**THINK, "functions": [weather]})
        with pytest.raises(BadFunctionCall, match="/city is 5"):
            await session.say("a new function", timeout="5s")


# At the vendor's pace ------------------------------------------------------------------------------------------------


async def silence_comes_after_the_last_word_was_heard(open_session: Open) -> None:
    async with open_session(GREETING) as session:
        await session.wait_until_silent()
        (audio,) = [each for each in session.timeline() if isinstance(each, AgentAudio)]
        silent_at = session.usage.seconds
        assert audio.seconds is not None
        assert audio.until - audio.at < audio.seconds / 2  # it was sent faster than it is heard
        assert silent_at >= audio.at + audio.seconds - 0.05
        await session.wait_until_silent(timeout=0)
        await session.send({"type": "InjectUserMessage", "content": "talk at length"})
        await session.wait_until_speaking("200ms")
        with pytest.raises(ExpectTimeout, match=r"no silence of the agent within 0\.2 s"):
            await session.wait_until_silent(timeout="200ms")


async def who_speaks_over_the_agent_learns_what_became_of_its_reply(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        await session.send({"type": "InjectUserMessage", "content": "talk at length"})
        cut = await session.barge_in("Stop, please.", after="600ms")
        turn = await session.wait_for_reply()
    assert cut.user_transcript == turn.user_transcript == "Stop, please."
    assert cut.reply.startswith("There was once a baker")
    assert "cakes" not in cut.reply
    assert cut.spoke_at < cut.noticed_at < cut.spoke_at + 1
    assert 0.5 < cut.heard_seconds < 2.5
    assert cut.late_seconds == 0
    assert [event.type for event in cut.events][:1] == ["UserStartedSpeaking"]
    assert turn.reply == "You said: Stop, please."


async def an_agent_that_is_silent_can_not_be_interrupted(open_session: Open) -> None:
    async with open_session(SETTINGS) as session:
        with pytest.raises(ExpectTimeout, match=r"no audio from the agent within 0\.1 s; came instead: nothing"):
            await session.barge_in("Hello?", timeout="100ms")
        await session.send({"type": "InjectUserMessage", "content": "Where is my order?"})
        with pytest.raises(ExpectTimeout, match=r"heard for \d\.\d s only: it stopped before 5 s"):
            await session.barge_in("Hello?", after=5)


async def a_cancelled_call_is_not_answered(open_session: Open) -> None:
    begun: list[str] = []
    given_up: list[str] = []
    async with open_session(SETTINGS) as session:

        @session.on_function("order_status")
        async def order_status(order_id: str, items: Any = ()) -> str:
            begun.append(order_id)
            try:
                await anyio.sleep(30)
            except anyio.get_cancelled_exc_class():
                given_up.append(order_id)
                raise
            return "too late"

        await session.send({"type": "InjectUserMessage", "content": "two lookups"})
        await session.expect("FunctionCallRequest")
        await session.send_audio(SPEECH)
        cancelled = await session.expect("FunctionCallCancelled")
        turn = await session.wait_for_reply()
        session.check_protocol()
        assert len(cancelled.ids) == 2
        assert sorted(given_up) == sorted(begun) == ["A-17", "B-2"]
    assert "too late" not in turn.reply


def _arguments(call: FunctionCall) -> dict[str, Any]:
    return call.parsed_arguments


RULES = (
    a_turn_has_both_parts_their_sound_and_the_latency,
    messages_have_their_time_and_audio_its_place_among_them,
    expect_takes_predicates_of_fields_and_of_the_message,
    a_failed_expectation_says_what_was_different_and_when,
    what_a_predicate_raises_is_raised,
    the_reply_to_speech_is_a_turn,
    updates_wait_for_their_acknowledgement,
    an_update_that_the_agent_refuses_raises_its_error,
    the_agent_says_what_is_injected,
    calls_are_answered_and_remembered,
    a_call_that_the_settings_do_not_allow_names_the_place_and_the_value,
    a_handler_that_stops_or_cancels_itself_fails_at_once,
    a_predicate_can_not_wait_for_the_session,
    a_function_of_update_think_is_checked_as_well,
)
REAL_TIME_RULES = (
    silence_comes_after_the_last_word_was_heard,
    who_speaks_over_the_agent_learns_what_became_of_its_reply,
    an_agent_that_is_silent_can_not_be_interrupted,
    a_cancelled_call_is_not_answered,
)
