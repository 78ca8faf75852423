"""Draw a stereo WAV file of 16 bits: left above, right below, and red where both are heard.

``python -m tests.support.waveform in.wav out.png``
"""

from __future__ import annotations

import struct
import sys
import wave
import zlib
from array import array
from itertools import pairwise
from pathlib import Path

WIDTH, HALF = 1200, 150
# Louder than any noise of an encoding.
LOUD = 500
WHITE, GREY, LEFT, RIGHT, BOTH = b"\xff\xff\xff", b"\xdd\xdd\xdd", b"\x1f\x5f\xbf", b"\x2f\x8f\x4f", b"\xcf\x2f\x2f"


def channels(path: Path) -> tuple[array[int], array[int], int]:
    """Return the samples of both channels, and their rate (Hz)."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        samples = array("h", file.readframes(file.getnframes()))
        return samples[0::2], samples[1::2], file.getframerate()


def loudness(samples: array[int], columns: int) -> list[int]:
    """Return the loudest sample of each column."""
    places = [len(samples) * column // columns for column in range(columns + 1)]
    return [max(map(abs, samples[a:b]), default=0) for a, b in pairwise(places)]


def picture(left: array[int], right: array[int], rate: int) -> bytes:
    """Return a PNG picture; a grey line stands at each second."""
    both = list(zip(loudness(left, WIDTH), loudness(right, WIDTH), strict=True))
    seconds = {second * rate * WIDTH // max(1, len(left)) for second in range(len(left) // rate + 1)}
    rows = b"".join(b"\0" + b"".join(_dot(y, x in seconds, *both[x]) for x in range(WIDTH)) for y in range(2 * HALF))
    header = struct.pack(">IIBBBBB", WIDTH, 2 * HALF, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _dot(y: int, is_second: bool, left: int, right: int) -> bytes:
    loud, color, middle = (left, LEFT, HALF // 2) if y < HALF else (right, RIGHT, HALF + HALF // 2)
    if abs(y - middle) <= loud * (HALF // 2 - 4) // 32768:
        return BOTH if min(left, right) > LOUD else color
    return GREY if is_second or y == HALF else WHITE


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(picture(*channels(Path(sys.argv[1]))))
