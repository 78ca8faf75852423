"""What the user said, and what the agent is to say. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_dgbudget.emulator.agent import dialogue
from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.audio.sound import Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the user said and the agent has yet to answer.

    ``spoken_ms`` is set if it came as audio; then ``text`` may be None, since the emulator does not transcribe.
    """

    text: str | None = None
    spoken_ms: int | None = None

    @property
    def transcript(self) -> str:
        return dialogue.transcript_of_speech(self.spoken_ms or 0) if self.text is None else self.text

    @property
    def reply(self) -> str:
        return dialogue.reply_to_speech(self.spoken_ms or 0) if self.text is None else dialogue.reply_to_text(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What the agent has yet to say; ``answers`` if it answers a turn. A ``sound`` replaces its voice."""

    text: str | None
    watch: Stopwatch
    answers: bool
    sound: Sound | None = None
