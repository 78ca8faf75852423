"""What a test does in a session and waits for: turns, messages, silence, interruptions. On the I/O thread."""

from __future__ import annotations

from asyncio.tasks import sleep
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.client.expectations import Expectation
from pytest_dgbudget.client.received import greeting_of, is_of_user
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
    """One session's; timeouts are in seconds. ``measured`` returns the turns as the gateway measured them.

    Every method may raise what the session ended with, and what a function handler raised.
    """

    def __init__(self, io: SessionIO, measured: Callable[[], Awaitable[Sequence[MeasuredTurn]]]) -> None:
        self._io = io
        self._received = io.received
        self._output, self._container = format_in(io.settings, "output")
        self._measured = measured
        self._looked_at = 0
        self._spoken_from: int | None = None

    # Turns ----------------------------------------------------------------------------------------------------

    async def say(self, text: str, timeout: float) -> Turn:
        """Inject a user message and wait for the whole reply."""
        start = len(self._received.messages)
        await self._io.send({"type": "InjectUserMessage", "content": text})

        def taken_up(messages: Sequence[Message]) -> int:
            return taken_up_text(messages, text, greeting_of(self._io.settings))

        return await self._turn(start, taken_up, timeout, f"reply from the agent to {text!r}", text)

    def user_speaks(self) -> None:
        """Take note that the user begins to speak: what ``wait_for_reply`` waits for comes after this."""
        self._spoken_from = len(self._received.messages)

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
        messages = self._received.messages

        def whole() -> int | None:
            self._raise_if_refused(start)
            return end_of_turn(messages[start:], taken_up(messages[start:]))

        length = await self._io.until(whole, timeout, described, start)
        end = self._looked_at = start + length
        self._spoken_from = None
        events = tuple(messages[start:end])
        return Turn(
            user_transcript=words(events, "user") or text,
            reply=words(events[taken_up(events) or 0 :], "assistant"),
            audio=self._received.audio_of(start, end),
            audio_format=self._output,
            container=self._container,
            latency=await self._latency() if is_answer else None,
            events=events,
        )

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

        def all_sent() -> bool | None:
            return not heard.more_is_to_come or None

        while True:
            left = give_up_at - self._io.now()
            await self._io.until(all_sent, left, "silence of the agent", start)
            rest = 0.0 if self._io.skips_time else heard.until - self._io.now()
            if rest <= 0 and all_sent():
                return
            if rest > give_up_at - self._io.now():
                raise ExpectTimeout(f"the agent is still heard after {timeout:g} s, and for {rest:.1f} s more")
            await sleep(rest)

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
        if self._io.skips_time:
            raise SettingsError(
                "at pace max the agent has sent its whole reply before anybody can interrupt it: mark the test "
                '@pytest.mark.dg_scenario(pace="vendor")'
            )
        await self.wait_until_speaking(heard_for, timeout)
        messages = self._received.messages
        reply_from = next((at for at in range(len(messages) - 1, -1, -1) if is_of_user(messages[at])), 0)
        return BargeIn(start=len(messages), reply_from=reply_from, spoke_at=self._io.now())

    async def after_barge_in(self, barge_in: BargeIn, timeout: float) -> Interruption:
        """Wait until the agent has taken up what was said, and return what became of its reply."""
        messages, start = self._received.messages, barge_in.start
        noticed = await self._io.until(
            lambda: self._position_of("UserStartedSpeaking", start), timeout, "UserStartedSpeaking", start
        )
        length = await self._io.until(
            lambda: taken_up_speech(messages[start:]), timeout, "ConversationText of the user's", start
        )
        late = len(self._received.audio_of(noticed, start + length))
        self._looked_at = start + length
        return Interruption(
            spoke_at=barge_in.spoke_at,
            noticed_at=messages[noticed].at,
            reply=words(messages[barge_in.reply_from : noticed], "assistant"),
            heard_seconds=self._received.heard.heard_when_interrupted,
            late_seconds=(self._output.milliseconds(late) or 0) / 1000,
            user_transcript=words(messages[start : start + length], "user"),
            events=tuple(messages[start : start + length]),
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
