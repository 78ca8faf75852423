"""What a session has received: messages and the agent's audio, in order and with times. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_dgbudget.client.heard_agent import HeardAgent
from pytest_dgbudget.rules.audio import audio_format
from pytest_dgbudget.rules.vendor_messages import ConversationText, ErrorMessage, InjectionRefused, Message, parse


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AgentAudio:
    """Audio of the agent's that came without a message in between.

    ``at`` and ``until`` are when its first and its last frame came, in seconds since the session opened; ``seconds`` is
    how long it plays, None in a compressed encoding; ``data`` is the audio in the output format of the settings.
    """

    at: float
    until: float
    seconds: float | None
    data: bytes

    def __repr__(self) -> str:
        """Of audio its length: pytest shows this when an assertion fails."""
        return f"AgentAudio(at={self.at:.2f}, until={self.until:.2f}, {described_audio(self)})"


def described_audio(audio: AgentAudio) -> str:
    """Return how long it plays, in words."""
    return f"{len(audio.data)} bytes" if audio.seconds is None else f"{audio.seconds:.1f} s"


def is_of_user(message: Message) -> bool:
    """Return whether it has what the user said."""
    return isinstance(message, ConversationText) and message.role == "user"


def is_of_agent(message: Message) -> bool:
    """Return whether it has words of the agent's."""
    return isinstance(message, ConversationText) and message.role == "assistant"


def greeting_of(settings: Mapping[str, Any]) -> str:
    """Return what the agent says first; nothing where the settings don't say."""
    agent = settings.get("agent")
    return str(agent.get("greeting") or "") if isinstance(agent, Mapping) else ""


class Received:
    """``messages`` are in the order in which they came, ``audio`` is all of the agent's."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.messages: list[Message] = []
        self.audio = bytearray()
        self.reply_from = 0  # the first message of the present reply
        self._greeting = greeting_of(settings)
        self._format = audio_format(settings, "output")
        self.heard = HeardAgent(self._format)
        self._frames: list[tuple[float, int]] = []  # when each came, and where the audio ends with it
        self._frames_before: list[int] = []  # each message

    def take_audio(self, data: bytes, at: float) -> None:
        """Take a frame that came so many seconds after the session opened."""
        self.audio += data
        self._frames.append((at, len(self.audio)))
        if self.heard.audio(len(data), at):
            self.reply_from = self.end_of_last_part(len(self.messages))

    def take_text(self, data: str, at: float) -> Message:
        """Take a message; one that is not JSON has no type."""
        try:
            message = parse(data)
        except ValueError:
            message = Message(type="", data={"unparsable": data})
        message = replace(message, at=at)
        self._frames_before.append(len(self._frames))
        self.messages.append(message)
        self._note(message)
        return message

    def _note(self, message: Message) -> None:
        """Take note of what a message says of the agent's speech."""
        if message.type == "AgentAudioDone":
            self._greeting = ""
            self.heard.sent()
        elif message.type == "UserStartedSpeaking":
            self.heard.user_started(message.at)
        elif message.type == "SettingsApplied" and self._greeting:
            self.heard.greeting_due()
        elif isinstance(message, InjectionRefused):
            self.heard.injection_refused()
        elif isinstance(message, ErrorMessage):
            self.heard.nothing_due()
        elif is_of_user(message):
            self.heard.answer_due()
        elif isinstance(message, ConversationText):
            self.heard.says(is_greeting=message.content.strip() in self._greeting)

    def end_of_last_part(self, before: int, after: int = 0) -> int:
        """Return the position after what the user said last, or the agent's last AgentAudioDone; else ``after``."""
        for position in range(before - 1, after - 1, -1):
            if is_of_user(self.messages[position]) or self.messages[position].type == "AgentAudioDone":
                return position + 1
        return after

    @property
    def frames(self) -> int:
        """How many frames of audio have come."""
        return len(self._frames)

    def frames_before(self, position: int) -> int:
        """Return how many of them came before a message."""
        return self._frames_before[position]

    def audio_between(self, first: int, last: int) -> bytes:
        """Return the audio of these frames, the last one excluded."""
        return bytes(self.audio[self._audio_before(first) : self._audio_before(last)])

    def timeline(self, start: int = 0) -> list[Message | AgentAudio]:
        """Return what came from the message at this position on, audio in its place; at the end, the last audio."""
        found: list[Message | AgentAudio] = []
        frame = self._frames_before[min(start, len(self.messages) - 1)] if start else 0
        for position in range(start, len(self.messages)):
            found += self._run(frame, frame := self._frames_before[position])
            found.append(self.messages[position])
        return found + self._run(frame, len(self._frames))

    def last_error(self) -> ErrorMessage | None:
        """Return the Error that the agent sent last, if it did."""
        return next((m for m in reversed(self.messages) if isinstance(m, ErrorMessage)), None)

    def _run(self, first: int, last: int) -> list[AgentAudio]:
        if first == last:
            return []
        data = self.audio_between(first, last)
        length = self._format.milliseconds(len(data))
        seconds = None if length is None else length / 1000
        return [AgentAudio(at=self._frames[first][0], until=self._frames[last - 1][0], seconds=seconds, data=data)]

    def _audio_before(self, frame: int) -> int:
        return self._frames[frame - 1][1] if frame else 0
