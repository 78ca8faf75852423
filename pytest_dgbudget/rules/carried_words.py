"""Words inside audio: in the lowest bits of its samples, which nobody hears and whatever copies bytes keeps.

Pure. A text is carried piece by piece, where each is spoken, and each several times, as packets: a marker, the packet's
position in its text (three bytes; a piece's copies have positions of their own), the length of its words (one byte),
the words in UTF-8, and a CRC-32 of all but the marker.
"""

from __future__ import annotations

import re
from operator import or_
from zlib import crc32

from pytest_dgbudget.rules.audio import AudioFormat

COPIES = 8

# Two of its bytes are in no UTF-8, so no words look like it.
_MARKER_BYTES = b"\xf5\x3a\xc1\x96"
_POSITION_BYTES, _LENGTH_BYTES, _CHECKSUM_BYTES = 3, 1, 4
_HEAD_BITS = 8 * (len(_MARKER_BYTES) + _POSITION_BYTES + _LENGTH_BYTES)
# A piece is a word, or a part of one: up to 32 characters, 128 bytes.
_PIECE = re.compile(r"\s{0,8}\S{1,16}\s{0,8}|\s{1,16}")
_LOWEST_BIT = bytes(48 + byte % 2 for byte in range(256))  # as the digits 0 and 1
_WITHOUT_LOWEST_BIT = bytes(byte & 0xFE for byte in range(256))
_AS_NUMBER = bytes(byte % 2 for byte in range(256))


def pieces_of(text: str) -> list[str]:
    """Cut a text into what is heard at once: words with the blanks around them, long ones in parts."""
    return _PIECE.findall(text)


def packet(number: int, copy: int, piece: str) -> bytes:
    """Return the bits, as digits, of one of the ``COPIES`` of the piece of this number. They carry any valid text."""
    words = piece.encode()
    position = (number * COPIES + copy).to_bytes(_POSITION_BYTES, "big")
    body = position + len(words).to_bytes(_LENGTH_BYTES, "big") + words
    return _digits(_MARKER_BYTES + body + crc32(body).to_bytes(_CHECKSUM_BYTES, "big"))


def carry(bits: bytes, audio: bytearray, width: int, at: int) -> None:
    """Write bits into audio of ``width`` bytes per sample, from the sample ``at`` on."""
    place = slice(at * width, (at + len(bits)) * width, width)
    audio[place] = bytes(map(or_, audio[place].translate(_WITHOUT_LOWEST_BIT), bits.translate(_AS_NUMBER)))


class WordReader:
    """Reads the words in audio that arrives in pieces of any size. An encoding of unknown length carries none."""

    def __init__(self, format_: AudioFormat) -> None:
        self._width = format_.bytes_per_sample
        self._begun = b""  # what is not a whole sample yet
        self._bits = b""  # from where a packet may begin
        self._last = -1  # the position of the packet that was read last
        self._heard = ""

    def add(self, audio: bytes) -> None:
        """Read what comes next."""
        if self._width is None:
            return
        audio = self._begun + audio
        whole = len(audio) - len(audio) % self._width
        self._begun = audio[whole:]
        self._bits += audio[: whole : self._width].translate(_LOWEST_BIT)
        self._read_packets()

    def take(self) -> str | None:
        """Return the words since this was asked last; None where there were none."""
        heard, self._heard = self._heard, ""
        return heard or None

    def _read_packets(self) -> None:
        at = self._bits.find(_MARKER)
        while at >= 0:
            end = self._end(at)
            if end is None:
                break
            at = self._bits.find(_MARKER, end if self._is_packet(at, end) else at + 1)
        self._bits = self._bits[at:] if at >= 0 else self._bits[1 - len(_MARKER) :]

    def _end(self, start: int) -> int | None:
        """Return where the packet ends that would begin here; None if that has not come yet."""
        head = self._bits[start : start + _HEAD_BITS]
        if len(head) < _HEAD_BITS:
            return None
        end = start + _HEAD_BITS + 8 * (int(head[-8 * _LENGTH_BYTES :], 2) + _CHECKSUM_BYTES)
        return end if end <= len(self._bits) else None

    def _is_packet(self, start: int, end: int) -> bool:
        """Hear the packet that stands here, if it is one."""
        bits = self._bits[start + len(_MARKER) : end]
        whole = int(bits, 2).to_bytes(len(bits) // 8, "big")
        body, checksum = whole[:-_CHECKSUM_BYTES], whole[-_CHECKSUM_BYTES:]
        if crc32(body).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
            return False
        words = body[_POSITION_BYTES + _LENGTH_BYTES :].decode(errors="replace")
        self._hear(int.from_bytes(body[:_POSITION_BYTES], "big"), words)
        return True

    def _hear(self, position: int, words: str) -> None:
        """Take a piece once, whichever copy of it comes first; positions that do not grow are those of another text."""
        last, self._last = self._last, position
        if position <= last:
            self._heard += f" {words}" if self._heard else words
        elif position // COPIES != last // COPIES:
            self._heard += words


def _digits(data: bytes) -> bytes:
    return f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}".encode()


_MARKER = _digits(_MARKER_BYTES)
