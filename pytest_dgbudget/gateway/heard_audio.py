"""The user's audio of the last seconds, kept as it passed, and read where a turn needs it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pytest_dgbudget.gateway.chunks import Chunk, PayloadReader
from pytest_dgbudget.gateway.frames import BINARY, CONTINUATION, TEXT
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.speech import HeardSpeech, SpeechReader

KEPT_MS = 10_000
# What one session keeps at most: 10 s of linear16 at 48 kHz, and what frames add to it.
_MOST_BYTES = 1024 * 1024
# How many percent of the audio it takes with the headers of its frames.
_WITH_FRAMES = 110
# What a chunk takes beside its bytes.
_CHUNK_BYTES = 150
# How many samples are read at once: less than a millisecond's work.
_SLICE_SAMPLES = 4000


class AudioMemory:
    """What all sessions of a gateway keep of their audio: each one an equal ``share`` of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.share = min(_MOST_BYTES, size)
        self._sessions = 0

    def joined(self) -> None:
        self._count(1)

    def left(self) -> None:
        self._count(-1)

    def _count(self, more: int) -> None:
        # Kept rather than computed: it is looked at for every read of a relay.
        self._sessions += more
        self.share = min(_MOST_BYTES, self.size // max(1, self._sessions))


class HeardAudio:
    """One session's. Nothing is copied or unmasked before it is read."""

    def __init__(self, memory: AudioMemory) -> None:
        self._memory = memory
        memory.joined()
        self._chunks: deque[Chunk] = deque()
        self._most = _MOST_BYTES
        self._bytes = 0

    def plays(self, format_: AudioFormat) -> None:
        """Keep no more than plays in that time: what comes faster is not judged."""
        bytes_per_second = (format_.bytes_per_sample or 0) * format_.sample_rate
        self._most = min(_MOST_BYTES, bytes_per_second * KEPT_MS // 1000 * _WITH_FRAMES // 100)

    def add(self, chunk: Chunk) -> None:
        """Keep what has passed, and drop what is too old or too much."""
        chunks = self._chunks
        chunks.append(chunk)
        self._bytes += len(chunk.data)
        oldest_ms, most = chunk.at_ms - KEPT_MS, min(self._most, self._memory.share - _CHUNK_BYTES * len(chunks))
        while chunks[0].at_ms < oldest_ms or (self._bytes > most and len(chunks) > 1):
            self._bytes -= len(chunks.popleft().data)

    @property
    def size(self) -> int:
        """How many bytes this takes."""
        return self._bytes + _CHUNK_BYTES * len(self._chunks)

    def reading(self, format_: AudioFormat) -> AudioReading:
        """Begin to read what is kept by now."""
        return AudioReading(list(self._chunks), format_)

    def forget(self) -> None:
        """Keep nothing any more."""
        self._chunks.clear()
        self._bytes = 0
        self._memory.left()


class AudioReading:
    """Reads kept audio slice by slice: each takes less than a millisecond."""

    def __init__(self, chunks: list[Chunk], format_: AudioFormat) -> None:
        self._chunks = iter(chunks)
        self._payloads = PayloadReader()
        self._message = BINARY
        self._speech = SpeechReader(format_)

    def go_on(self, later: Callable[[Callable[[], None]], object], done: Callable[[HeardSpeech], None]) -> None:
        """Read one slice, and the others ``later``; call ``done`` after the last one."""
        samples = 0
        for chunk in self._chunks:
            samples += self._speech.add(self._audio_of(chunk), chunk.at_ms)
            if samples >= _SLICE_SAMPLES:
                later(lambda: self.go_on(later, done))
                return
        done(self._speech.result())

    def _audio_of(self, chunk: Chunk) -> bytes:
        audio = []
        for payload in self._payloads.read(chunk):
            if payload.opcode in (TEXT, BINARY):
                self._message = payload.opcode
            if payload.opcode in (BINARY, CONTINUATION) and self._message == BINARY:
                audio.append(payload.data)
        return b"".join(audio)
