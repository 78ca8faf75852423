"""What the agent has yet to say, and how much of it was sent. Pure.

The vendor says a reply sentence by sentence, each with a text of its own; a greeting has one text, however many
sentences it has (recordings of 2025 and 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_dgbudget.emulator.agent.latency import Stopwatch
from pytest_dgbudget.emulator.agent.sentences import sentences
from pytest_dgbudget.emulator.audio.sound import Sound
from pytest_dgbudget.emulator.audio.voice import Speech
from pytest_dgbudget.emulator.timing import Timing
from pytest_dgbudget.rules.audio import AudioFormat


@dataclass(frozen=True, slots=True)
class Part:
    """A text and how it sounds; without a text nothing is transcribed."""

    text: str | None
    sound: Sound | Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Parts to say one after another. ``due`` is the moment of the session's clock before which there is no sound.

    ``answers`` if it is the first thing that answers a turn, ``last`` unless more of the same turn follows.
    """

    parts: Sequence[Part]
    due: float
    watch: Stopwatch
    answers: bool = False
    last: bool = True


def reply_parts(text: str, timing: Timing) -> tuple[Part, ...]:
    """Return a text's sentences in the emulator's voice."""
    return tuple(Part(each, Speech(each, timing)) for each in sentences(text))


def whole_part(text: str, timing: Timing) -> tuple[Part, ...]:
    """Return a text that is said in one piece."""
    return (Part(text, Speech(text, timing)),)


class Playback:
    """What is being said: the frames of the present part that were not sent yet, numbered, and the parts after it."""

    def __init__(self) -> None:
        self.frames: Iterator[tuple[int, bytes]] = iter(())
        self.left: Sequence[Part] = ()
        self.began = 0.0
        self.heard = False  # whether any sound was sent

    def begin(self, part: Part, audio: AudioFormat, *, left: Sequence[Part], at: float) -> None:
        """Go on to this part, at a moment of the session's clock."""
        self.frames = enumerate(part.sound.frames(audio))
        self.left = left
        self.began = at
