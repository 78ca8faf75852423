"""The user's audio of the last seconds, kept as it passed, and read where a turn needs it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from pytest_dgbudget.gateway.chunks import Chunk, PayloadReader
from pytest_dgbudget.gateway.frames import BINARY, CONTINUATION, TEXT
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.speech import HeardSpeech, SpeechReader

KEPT_MS = 10_000
# What one session keeps at most: 10 s of linear16 at 48 kHz, and what frames add to it.
_MOST_BYTES = 1024 * 1024
# How many percent of the audio it takes with the headers of its frames.
_WITH_FRAMES = 125
# What a chunk takes beside its bytes.
_CHUNK_BYTES = 150
# How much is read at once, in units of what a sample takes; and what finding a frame takes.
_SLICE_UNITS = 2500
_FRAME_UNITS = 60


class AudioMemory:
    """What all sessions of a gateway keep of their audio: each one an equal ``share`` of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.share = min(_MOST_BYTES, size)
        self._members: set[HeardAudio] = set()

    def joined(self, heard: HeardAudio) -> None:
        """Give a session its share, of which the others lose some."""
        self._members.add(heard)
        self._divide()
        for each in self._members:
            each.trim()

    def left(self, heard: HeardAudio) -> None:
        self._members.discard(heard)
        self._divide()

    def _divide(self) -> None:
        # Kept rather than computed: it is looked at for every read of a relay.
        self.share = min(_MOST_BYTES, self.size // max(1, len(self._members)))


class HeardAudio:
    """One session's. Nothing is copied or unmasked before it is read."""

    def __init__(self, memory: AudioMemory) -> None:
        self._memory = memory
        # Chunks as plain tuples, which the garbage collector need not look through, however many there are.
        self._chunks: deque[tuple[int, bytes, int]] = deque()
        self._most = _MOST_BYTES
        self._bytes = 0
        memory.joined(self)

    def plays(self, format_: AudioFormat) -> None:
        """Keep no more than plays in that time: what comes faster is not judged."""
        bytes_per_second = (format_.bytes_per_sample or 0) * format_.sample_rate
        self._most = min(_MOST_BYTES, bytes_per_second * KEPT_MS // 1000 * _WITH_FRAMES // 100)

    def add(self, chunk: Chunk) -> None:
        """Keep what has passed, and drop what is too old or too much."""
        chunks = self._chunks
        at_ms, data, rest = chunk
        chunks.append((at_ms, data, rest))
        self._bytes += len(data)
        if self._bytes > self._most or chunks[0][0] < at_ms - KEPT_MS or self.size > self._memory.share:
            self.trim()

    def trim(self) -> None:
        """Drop what is too much, and what is too old beside the last that came."""
        chunks = self._chunks
        while len(chunks) > 1 and (
            self._bytes > self._most or chunks[0][0] < chunks[-1][0] - KEPT_MS or self.size > self._memory.share
        ):
            self._bytes -= len(chunks.popleft()[1])

    @property
    def size(self) -> int:
        """How many bytes this takes."""
        return self._bytes + _CHUNK_BYTES * len(self._chunks)

    def reading(self, format_: AudioFormat, now_ms: int, after_ms: int = -1) -> AudioReading:
        """Begin to read what is kept of the last seconds; the user's part is what came after ``after_ms``."""
        kept = [Chunk(*chunk) for chunk in self._chunks if chunk[0] >= now_ms - KEPT_MS]
        return AudioReading(kept, SpeechReader(format_, after_ms))

    def forget(self) -> None:
        """Keep nothing any more."""
        self._chunks.clear()
        self._bytes = 0
        self._memory.left(self)


class AudioReading:
    """Reads kept audio slice by slice: each takes less than a millisecond, whatever the sizes of frames and chunks."""

    def __init__(self, chunks: list[Chunk], speech: SpeechReader) -> None:
        self._payloads = PayloadReader()
        self._message = BINARY
        self._speech = speech
        self._steps = self._read(chunks)

    def go_on(self, later: Callable[[Callable[[], None]], object], done: Callable[[HeardSpeech], None]) -> None:
        """Read one slice, and the others ``later``; call ``done`` after the last one, also where reading fails."""
        units = 0
        try:
            for step in self._steps:
                units += step
                if units >= _SLICE_UNITS:
                    later(lambda: self.go_on(later, done))
                    return
            speech = self._speech.result()
        except BaseException:
            done(HeardSpeech(None, False))
            raise
        done(speech)

    def _read(self, chunks: list[Chunk]) -> Iterator[int]:
        for chunk in chunks:
            audio = []
            for payload in self._payloads.read(chunk):
                yield _FRAME_UNITS
                if payload.opcode in (TEXT, BINARY):
                    self._message = payload.opcode
                if payload.opcode in (BINARY, CONTINUATION) and self._message == BINARY:
                    audio.append(payload.data)
            yield from self._speech.add(b"".join(audio), chunk.at_ms)
