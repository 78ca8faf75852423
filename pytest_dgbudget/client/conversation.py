"""What a test does in a session and waits for: turns, messages, silence, interruptions. On the I/O thread."""

from __future__ import annotations

from asyncio.tasks import sleep
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.client.expectations import Expectation
from pytest_dgbudget.client.received import greeting_of, is_of_agent, is_of_user
from pytest_dgbudget.client.session_io import SessionIO, agent_error
from pytest_dgbudget.client.turns import Interruption, Turn, end_of_turn, taken_up_speech, taken_up_text, words
from pytest_dgbudget.errors import AgentError, ExpectTimeout, SettingsError
from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.recording.audio_file import format_in
from pytest_dgbudget.rules.vendor_messages import ConversationText, ErrorMessage, InjectionRefused, Message

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# Between two sentences nothing is heard, and the next one has no time of its own yet.
_LOOK_AGAIN_SECONDS = 0.02

_ACKNOWLEDGED_BY = {
    "UpdateListen": "ListenUpdated",
    "UpdatePrompt": "PromptUpdated",
    "UpdateSpeak": "SpeakUpdated",
    "UpdateThink": "ThinkUpdated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeIn:
    """When a user began to speak over the agent: positions of messages, and seconds since the session opened."""

    start: int
    reply_from: int
    spoke_at: float


class ClientConversation:
    """One session's; timeouts are in seconds. ``measured`` returns the turns as the gateway measured them;
    ``listens`` tells an emulator that skips time that the client listens until it has heard what was said.

    Every method may raise what the session ended with, and what a function handler raised.
    """

    def __init__(
        self,
        io: SessionIO,
        measured: Callable[[], Awaitable[Sequence[MeasuredTurn]]],
        listens: Callable[[], Awaitable[None]],
    ) -> None:
        self._io = io
        self._received = io.received
        self._output, self._container = format_in(io.settings, "output")
        self._measured = measured
        self._listens = listens
        self._looked_at = 0
        self._spoken_from: int | None = None
        self._part_from = 0  # where the user's last part began

    async def close(self) -> None:
        """Close the session, and raise what a function handler raised."""
        await self._io.close()
        self._io.raise_handler_error()

    # Turns ----------------------------------------------------------------------------------------------------

    async def say(self, text: str, timeout: float) -> Turn:
        """Inject a user message and wait for the whole reply."""
        start = len(self._received.messages)
        await self._io.send({"type": "InjectUserMessage", "content": text})

        def taken_up(messages: Sequence[Message]) -> int:
            return taken_up_text(messages, text, greeting_of(self._io.settings))

        return await self._turn(start, taken_up, timeout, f"reply from the agent to {text!r}", text)

    def user_speaks(self) -> None:
        """Take note that the user begins to speak: what ``wait_for_reply`` waits for comes after this.

        Unless it has yet to wait for what comes after something before it.
        """
        self._part_from = len(self._received.messages)
        if self._spoken_from is None:
            self._spoken_from = self._part_from

    def user_spoke(self) -> None:
        """Take note that the user has finished."""
        if not any(map(is_of_user, self._received.messages[self._part_from :])):
            self._received.heard.user_spoke(self._io.now())

    async def wait_for_reply(self, timeout: float) -> Turn:
        """Wait for the whole reply to what was said aloud last."""
        start = self._looked_at if self._spoken_from is None else self._spoken_from
        return await self._turn(start, taken_up_speech, timeout, "reply from the agent to what was said aloud", "")

    async def inject_agent_message(self, message: str, behavior: str | None, timeout: float) -> Turn:
        """Have the agent say something, and wait until it has been sent."""
        start = len(self._received.messages)
        asked = {"type": "InjectAgentMessage", "message": message}
        await self._io.send(asked if behavior is None else {**asked, "behavior": behavior})

        def first_words(messages: Sequence[Message]) -> int | None:
            for position, each in enumerate(messages):
                if isinstance(each, ConversationText) and each.role == "assistant" and each.content.strip() in message:
                    return position
            return None

        return await self._turn(start, first_words, timeout, f"{message!r} from the agent", "", is_answer=False)

    async def _turn(
        self,
        start: int,
        taken_up: Callable[[Sequence[Message]], int | None],
        timeout: float,
        described: str,
        text: str,
        *,
        is_answer: bool = True,
    ) -> Turn:
        messages, first_frame = self._received.messages, self._received.frames

        def whole() -> int | None:
            self._raise_if_refused(start)
            return end_of_turn(messages[start:], taken_up(messages[start:]))

        length = await self._io.until(whole, timeout, described, start)
        end = self._looked_at = start + length
        if is_answer:
            self._spoken_from = None
        events = tuple(messages[start:end])
        words_from = start + (taken_up(events) or 0)
        return Turn(
            user_transcript=words(events, "user") or text,
            reply=words(messages[words_from:end], "assistant"),
            audio=self._audio_of(start, words_from, end, first_frame),
            audio_format=self._output,
            container=self._container,
            latency=await self._latency() if is_answer else None,
            events=events,
        )

    def _audio_of(self, start: int, words_from: int, end: int, first_frame: int) -> bytes:
        """Return the audio of a reply: it may come before its words, and after an AgentAudioDone of something else."""
        messages, received = self._received.messages, self._received
        first_words = next(at for at in range(words_from, end) if is_of_agent(messages[at]))
        part = received.end_of_last_part(first_words, start)
        begins = first_frame if part == start else received.frames_before(part - 1)
        return received.audio_between(begins, received.frames_before(end - 1))

    async def _latency(self) -> float | None:
        measured = await self._measured()
        latency_ms = measured[-1].latency_ms if measured else None
        return None if latency_ms is None else latency_ms / 1000

    # Messages ---------------------------------------------------------------------------------------------------

    async def expect(self, expected: Expectation, timeout: float) -> Message:
        """Return the next message that is as expected, from those not looked at yet or to come."""
        start, messages = self._looked_at, self._received.messages

        def found() -> int | None:
            return next((at for at in range(start, len(messages)) if expected.matches(messages[at])), None)

        def why() -> str:
            return expected.why_none(messages[:start], messages[start:])

        position = await self._io.until(found, timeout, str(expected), start, why)
        self._looked_at = position + 1
        return messages[position]

    async def update(self, kind: str, fields: Mapping[str, Any], timeout: float) -> None:
        """Send an Update message and wait until the agent has acknowledged it."""
        start, awaited = len(self._received.messages), _ACKNOWLEDGED_BY[kind]
        await self._io.send({"type": kind, **fields})

        def acknowledged() -> bool | None:
            self._raise_if_refused(start)
            return any(each.type == awaited for each in self._received.messages[start:]) or None

        await self._io.until(acknowledged, timeout, awaited, start)

    # What is heard ------------------------------------------------------------------------------------------------

    async def wait_until_silent(self, timeout: float) -> None:
        """Wait until the agent has sent what it says, and a listener has heard it."""
        heard, give_up_at = self._received.heard, self._io.now() + timeout
        start = len(self._received.messages)
        while True:
            self._io.raise_if_over()
            now = self._io.now()
            is_heard = not self._io.skips_time and heard.until > now
            if not (heard.more_is_to_come(now) or is_heard):
                break
            if now >= give_up_at:
                raise self._io.missed("silence of the agent", timeout, start)
            instants = [at for at in (heard.until, heard.transcript_due_until) if at > now]
            await self._io.news_until(min([*instants, give_up_at]))
        if self._io.skips_time:
            await self._listens()

    async def wait_until_speaking(self, heard_for: float, timeout: float) -> None:
        """Wait until a listener has heard the agent for so many seconds."""
        heard, start = self._received.heard, len(self._received.messages)

        def speaking() -> bool | None:
            return heard.is_speaking(self._io.now()) or None

        await self._io.until(speaking, timeout, "audio from the agent", start)
        while not self._io.skips_time and (rest := heard.began + heard_for - self._io.now()) > 0:
            if not speaking():
                so_far = heard.heard_of_reply(self._io.now())
                raise ExpectTimeout(f"the agent was heard for {so_far:.1f} s only: it stopped before {heard_for:g} s")
            await sleep(min(rest, max(heard.until - self._io.now(), _LOOK_AGAIN_SECONDS)))

    async def before_barge_in(self, heard_for: float, timeout: float) -> BargeIn:
        """Wait until the agent has been heard for so long, and the user may begin to speak."""
        if self._io.skips_time and not self._io.is_replayed:
            raise SettingsError(
                "at pace max the agent has sent its whole reply before anybody can interrupt it: mark the test "
                '@pytest.mark.dg_scenario(pace="vendor")'
            )
        await self.wait_until_speaking(heard_for, timeout)
        start, reply_from = len(self._received.messages), self._received.reply_from
        return BargeIn(start=start, reply_from=reply_from, spoke_at=self._io.now())

    async def after_barge_in(self, barge_in: BargeIn, timeout: float) -> Interruption:
        """Wait until the agent has taken up what was said, and return what became of its reply."""
        messages, start = self._received.messages, barge_in.start
        noticed = await self._io.until(
            lambda: self._position_of("UserStartedSpeaking", start), timeout, "UserStartedSpeaking", start
        )
        length = await self._io.until(
            lambda: taken_up_speech(messages[noticed:]), timeout, "ConversationText of the user's", noticed
        )
        end = noticed + length
        received = self._received
        late = received.audio_between(received.frames_before(noticed), received.frames_before(end - 1))
        self._spoken_from, self._looked_at = noticed, end
        return Interruption(
            spoke_at=barge_in.spoke_at,
            noticed_at=messages[noticed].at,
            reply=words(messages[barge_in.reply_from : noticed], "assistant"),
            heard_seconds=self._received.heard.heard_when_interrupted,
            late_seconds=(self._output.milliseconds(len(late)) or 0) / 1000,
            user_transcript=words(messages[noticed:end], "user"),
            events=tuple(messages[start:end]),
        )

    def _position_of(self, kind: str, start: int) -> int | None:
        messages = self._received.messages
        return next((at for at in range(start, len(messages)) if messages[at].type == kind), None)

    def _raise_if_refused(self, start: int) -> None:
        for message in self._received.messages[start:]:
            if isinstance(message, ErrorMessage):
                raise agent_error(message)
            if isinstance(message, InjectionRefused):
                raise AgentError(
                    f"the agent refused the message: {message.message}",
                    code="InjectionRefused",
                    description=message.message,
                )
