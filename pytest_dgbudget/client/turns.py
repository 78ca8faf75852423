"""One exchange out of a session's messages: where it begins, when it is complete, and what it was. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_dgbudget.client.received import is_of_user
from pytest_dgbudget.client.saved_audio import save_audio
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.vendor_messages import ConversationText, FunctionCall, FunctionCallRequest, Message

# Of the messages in a repr.
_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Turn:
    """The user's part and the agent's whole answer to it.

    ``user_transcript`` is what the agent took the user to have said, ``reply`` the agent's words, ``audio`` their sound
    in the output format and ``container`` of the settings, ``events`` every message of the turn, in order.

    ``latency`` is the silence before the answer, in seconds, as the gateway measured it: from the end of the user's
    part to the agent's first audio. None where it is not known.
    """

    user_transcript: str
    reply: str
    audio: bytes
    audio_format: AudioFormat
    container: str
    latency: float | None
    events: tuple[Message, ...]

    @property
    def function_calls(self) -> tuple[FunctionCall, ...]:
        """What the agent asked of functions in this turn, in order."""
        return calls_in(self.events)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the agent's audio of this turn to a file that players open, and return its path.

        Raises SettingsError when the path doesn't end as such a file does (``.wav``, ``.mp3`` …), OSError when it can't
        be written.
        """
        return save_audio(path, self.audio, self.audio_format, self.container)

    def __repr__(self) -> str:
        """What pytest shows when an assertion fails: of audio its length, of messages their types."""
        length = self.audio_format.milliseconds(len(self.audio))
        audio = f"{len(self.audio)} bytes" if length is None else f"{length / 1000:.1f} s"
        latency = "None" if self.latency is None else f"{self.latency:.2f}"
        return (
            f"Turn(user_transcript={self.user_transcript!r}, reply={self.reply!r}, audio=<{audio}>, "
            f"latency={latency}, events=<{_types(self.events)}>)"
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Interruption:
    """What became of the agent's reply when the user spoke while it was heard.

    ``spoke_at`` is when the user's audio began, ``noticed_at`` when the agent's UserStartedSpeaking came, both in
    seconds since the session opened. ``reply`` has the words of the interrupted reply that had been sent by then,
    ``heard_seconds`` is how much of it a listener had heard. ``late_seconds`` is how much more of its audio came after
    that, which a client must not play. ``user_transcript`` is what the agent took the user to have said, ``events`` are
    the messages from the user's first audio to that text.
    """

    spoke_at: float
    noticed_at: float
    reply: str
    heard_seconds: float
    late_seconds: float
    user_transcript: str
    events: tuple[Message, ...]

    def __repr__(self) -> str:
        """What pytest shows when an assertion fails: of messages their types."""
        return (
            f"Interruption(spoke_at={self.spoke_at:.2f}, noticed_at={self.noticed_at:.2f}, reply={self.reply!r}, "
            f"heard_seconds={self.heard_seconds:.2f}, late_seconds={self.late_seconds:.2f}, "
            f"user_transcript={self.user_transcript!r}, events=<{_types(self.events)}>)"
        )


def end_of_turn(messages: Sequence[Message], taken_up: int | None) -> int | None:
    """Return how many messages make up the turn that the agent has taken up here; None until it is complete.

    It is complete with the AgentAudioDone after the agent's words. Words before a function call are not the last ones,
    nor are those before the user went on.
    """
    replied = False
    for position in range(len(messages) if taken_up is None else taken_up, len(messages)):
        message = messages[position]
        if isinstance(message, FunctionCallRequest) or is_of_user(message):
            replied = False
        elif _is_said(message, "assistant"):
            replied = True
        elif message.type == "AgentAudioDone" and replied:
            return position + 1
    return None


def taken_up_text(messages: Sequence[Message], text: str, greeting: str = "") -> int:
    """Return the position after the agent's echo of an injected text, or else after its greeting.

    Words from before that, such as the greeting, are not a reply to it.
    """
    for role, content in (("user", text), ("assistant", greeting)):
        for position, message in enumerate(messages):
            if _is_said(message, role, content):
                return position + 1
    return 0


def taken_up_speech(messages: Sequence[Message]) -> int | None:
    """Return the position after the agent's transcript of what was said aloud; None as long as it is missing."""
    return next((position + 1 for position, message in enumerate(messages) if is_of_user(message)), None)


def words(messages: Sequence[Message], role: str) -> str:
    """Return what one side said."""
    said = (each for each in messages if isinstance(each, ConversationText) and each.role == role)
    return " ".join(message.content for message in said)


def calls_in(messages: Sequence[Message]) -> tuple[FunctionCall, ...]:
    """Return the calls that the agent asked for, in order."""
    requests = (message for message in messages if isinstance(message, FunctionCallRequest))
    return tuple(call for request in requests for call in request.functions)


def _types(messages: Sequence[Message]) -> str:
    shown = ", ".join(message.type for message in messages[:_MOST_SHOWN])
    more = len(messages) - _MOST_SHOWN
    return f"{shown}, and {more} more" if more > 0 else shown


def _is_said(message: Message, role: str, content: str | None = None) -> bool:
    return isinstance(message, ConversationText) and message.role == role and content in (None, message.content)
