"""The user's audio without its digital silence: what of it is the same however a client cuts it and waits between."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import NamedTuple

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio
from pytest_dgbudget.cassette.differences import same_beginning
from pytest_dgbudget.model import CassetteAudioRule
from pytest_dgbudget.rules.audio import AudioFormat

# How much longer or shorter speech may be under the rule ``length``, in percent of the cassette's.
TOLERANCE = 5
# Who has said about as much as was recorded, and then nothing for so long, has said it all.
_PAUSE_MS = 200
# Who was to speak, and has been silent for so long since, says nothing more.
SILENT_MS = 1000
_ANY_BYTE = bytes(range(256))
_sounding = re.compile(rb"[^\0]+")


def _without_zeros(size: int, last_byte: bytes) -> Callable[[bytes], bytes]:
    """``size``: bytes of a sample. ``last_byte`` is what that of a sample is taken for: a sign makes no sound."""

    def strip(samples: bytes) -> bytes:
        # A byte for each sample, which is 0 where all of its own are; a loop over samples takes ten times as long.
        columns = [samples[at::size] for at in range(size - 1)] + [samples[size - 1 :: size].translate(last_byte)]
        sounds = reduce(or_, (int.from_bytes(column, "little") for column in columns))
        if not sounds:
            return b""
        by_sample = sounds.to_bytes(len(samples) // size, "little")
        if 0 not in by_sample:
            return samples
        runs = _sounding.finditer(by_sample)
        return b"".join([samples[run.start() * size : run.end() * size] for run in runs])

    return strip


def _without_bytes(silent: bytes) -> Callable[[bytes], bytes]:
    return lambda samples: samples.translate(None, silent)


# Of G.711's two smallest numbers, each is taken for silence somewhere.
_STRIPPED: Mapping[str, Callable[[bytes], bytes]] = {
    "linear16": _without_zeros(2, _ANY_BYTE),
    "linear32": _without_zeros(4, _ANY_BYTE.replace(b"\x80", b"\0")),
    "mulaw": _without_bytes(b"\xff\x7f"),
    "alaw": _without_bytes(b"\xd5\x55"),
}


class SpeechFilter:
    """Takes digital silence out of a stream of audio, whatever its pieces. Of other encodings every byte is speech."""

    def __init__(self, format_: AudioFormat) -> None:
        self._strip = _STRIPPED.get(format_.encoding)
        self._size = format_.bytes_per_sample or 1
        # A sample that has begun.
        self._begun = b""

    def take(self, audio: bytes) -> bytes:
        """Return the speech of the samples that are whole with this piece."""
        if self._strip is None:
            return audio
        if self._begun:
            audio = self._begun + audio
        rest = len(audio) % self._size
        self._begun = audio[len(audio) - rest :]
        return self._strip(audio[: len(audio) - rest] if rest else audio)


class RecordedSpeech:
    """The speech of a cassette, in bytes. To find it in a minute of audio takes some 30 ms."""

    def __init__(self, cassette: Cassette) -> None:
        self.format = cassette.formats["client_to_server"]
        self._speech = bytearray()
        # Of each piece with speech in it: how much audio and how much speech there is with it, and when it passed.
        self._audio_ends: list[int] = []
        self._ends: list[int] = []
        self._at_ms: list[int] = []
        self._read(cassette)

    def before(self, offset: int) -> int:
        """Return how much speech is in the first ``offset`` bytes of audio."""
        piece = bisect_right(self._audio_ends, offset)
        return self._ends[piece - 1] if piece else 0

    def reached_ms(self, size: int) -> int:
        """Return when so much of it had passed; at the end of all where there is less, 0 where there is none."""
        piece = min(bisect_left(self._ends, size), len(self._ends) - 1)
        return self._at_ms[piece] if size and piece >= 0 else 0

    def goes_on_ms(self, size: int) -> int | None:
        """Return when the first piece passed that has more than so much; None where there is no more."""
        return self._at_ms[bisect_right(self._ends, size)] if self.has(size + 1) else None

    def longest_pause_ms(self, begin: int, end: int) -> int:
        """Return the longest time between pieces of the speech from ``begin`` to ``end``."""
        at_ms = self._at_ms[bisect_right(self._ends, begin) : bisect_left(self._ends, end) + 1]
        return max((later - earlier for earlier, later in pairwise(at_ms)), default=0)

    def has(self, size: int) -> bool:
        """Return whether there is so much of it."""
        return len(self._speech) >= size

    def part(self, begin: int, size: int) -> bytes:
        """Return so much from ``begin`` on; less where it ends."""
        return bytes(self._speech[begin : begin + size])

    @property
    def size(self) -> int:
        """All of it."""
        return len(self._speech)

    def seconds(self, size: float) -> float | None:
        """Return how long so much plays; None where bytes don't say."""
        bytes_per_sample = self.format.bytes_per_sample
        return None if bytes_per_sample is None else size / (bytes_per_sample * self.format.sample_rate)

    def _read(self, cassette: Cassette) -> None:
        filter_, audio, read = SpeechFilter(self.format), cassette.audio.get("client_to_server", b""), 0
        for event in cassette.events:
            if not isinstance(event, CassetteAudio) or event.side != "client_to_server":
                continue
            speech = filter_.take(audio[event.offset : event.offset + event.size])
            read += event.size
            if speech:
                self._speech += speech
                self._audio_ends.append(read)
                self._ends.append(len(self._speech))
                self._at_ms.append(event.at_ms)


class Utterance(NamedTuple):
    """What the vendor heard of the user before it said so: ``needed`` bytes of speech since the session's beginning.

    ``before`` is how much there was at the end of the utterance before; ``ends``: the vendor has heard it all.
    """

    needed: int
    before: int
    ends: bool


class Spoken(NamedTuple):
    """The last of some speech came at ``at_ms``, and at ``recorded_ms`` in the recording.

    That nothing more of it comes is known at ``ready_ms``.
    """

    at_ms: float
    recorded_ms: int
    ready_ms: float


class SentSpeech:
    """The speech that a client has sent so far in a replay, in bytes, and how it agrees with the cassette's."""

    def __init__(self, recorded: RecordedSpeech, rule: CassetteAudioRule) -> None:
        self._recorded = recorded
        self.rule = rule
        self._filter = SpeechFilter(recorded.format)
        self._ends: list[int] = []
        self._at_ms: list[float] = []
        # How much there was, and in the recording, when the vendor said that it had heard the last utterance.
        self._base = 0
        self._heard = 0
        self.size = 0
        # How much of it agrees with the cassette, where that is compared sample by sample.
        self.agrees = 0

    def take(self, audio: bytes, at_ms: float) -> bool:
        """Take a piece of the stream; return False where the cassette has other speech there."""
        speech = self._filter.take(audio)
        if not speech:
            return True
        begin, self.size = self.size, self.size + len(speech)
        self._ends.append(self.size)
        self._at_ms.append(at_ms)
        if self.rule == "exact":
            recorded = self._recorded.part(begin, len(speech))
            self.agrees = begin + (len(speech) if recorded == speech else same_beginning(recorded, speech))
            return recorded == speech
        return self.rule == "any" or self._recorded.has(-(-self.size * 100 // (100 + TOLERANCE)))

    @property
    def last_ms(self) -> float:
        """When the last of it came; 0 where there is none."""
        return self._at_ms[-1] if self._at_ms else 0

    @property
    def recorded_ms(self) -> int:
        """When so much of it had passed in the recording, at the earliest."""
        return self._recorded.reached_ms(self.size * 100 // (100 + TOLERANCE) if self.rule == "length" else self.size)

    @property
    def goes_on_ms(self) -> int | None:
        """When more than so much of it had passed in the recording, at the latest; None where there was no more."""
        if self.rule == "any":
            return self._recorded.goes_on_ms(self._heard)
        return self._recorded.goes_on_ms(self.size * 100 // (100 - TOLERANCE) if self.rule == "length" else self.size)

    @property
    def lacks(self) -> bool:
        """True where the cassette has more: all of it is to be there, or under ``length`` all but a twentieth."""
        if self.rule == "any":
            return False
        enough = self.size if self.rule == "exact" else self.size * 100 // (100 - TOLERANCE)
        return self._recorded.has(enough + 1)

    def utterance_ended(self, heard: int) -> None:
        """Take note that the vendor has said what the user said, and how much of the cassette's speech that was."""
        self._base = self.size
        self._heard = heard

    def spoken(self, utterance: Utterance, due_ms: Callable[[], float]) -> Spoken | None:
        """Return when an utterance was said; None where more of it must come, which as recorded begins at ``due_ms``.

        Under ``any`` that is some speech since the last utterance, if there was some; or none, if there was some
        before and then a long silence.
        """
        if self.rule == "any":
            return self._spoken_anyhow(utterance, due_ms)
        recorded_ms = self._recorded.reached_ms(utterance.needed)
        if self.size >= utterance.needed:
            return self._reached(utterance.needed, recorded_ms)
        if self.size * 100 >= (100 - TOLERANCE) * utterance.needed and self.rule == "length":
            paused_ms = (self._recorded.goes_on_ms(self.size) or 0) - self._recorded.reached_ms(self.size)
            return Spoken(self.last_ms, recorded_ms, self.last_ms + paused_ms + _PAUSE_MS)
        return None

    def is_enough(self, utterance: Utterance) -> bool:
        """Whether an utterance was said for certain; under ``length``, a long silence may only make it seem so."""
        return self.rule != "length" or self.size >= utterance.needed

    def _spoken_anyhow(self, utterance: Utterance, due_ms: Callable[[], float]) -> Spoken | None:
        wanted = utterance.needed - utterance.before if utterance.ends else 1
        recorded_ms = self._recorded.reached_ms(utterance.before + wanted)
        if self.size - self._base >= wanted:
            return self._reached(self._base + wanted, recorded_ms)
        if self.size > self._base:
            paused_ms = self._recorded.longest_pause_ms(utterance.before, utterance.needed)
            return Spoken(self.last_ms, recorded_ms, self.last_ms + paused_ms + _PAUSE_MS)
        return Spoken(self.last_ms, recorded_ms, due_ms() + SILENT_MS) if self.size else None

    def _reached(self, size: int, recorded_ms: int) -> Spoken:
        at_ms = self._at_ms[bisect_left(self._ends, size)]
        return Spoken(at_ms, recorded_ms, at_ms)
