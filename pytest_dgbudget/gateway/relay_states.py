"""Where a session stands with its two sides."""

from __future__ import annotations

from enum import Enum


class RelayState(Enum):
    """Where a session stands with the vendor. From OPEN on, each state is left for a later one only.

    OPEN: messages pass. FINISHING_FRAME: the end has begun inside a frame of the client's, whose rest passes before
    the vendor gets its Close. CLOSING: the vendor was sent its Close. CLOSED: the vendor's socket is closed.
    """

    OPEN = "open"
    FINISHING_FRAME = "finishing-frame"
    CLOSING = "closing"
    CLOSED = "closed"


class ClientState(Enum):
    """Where a session stands with the client. CLOSING: it was sent a Close. GONE: its connection ended."""

    OPEN = "open"
    CLOSING = "closing"
    GONE = "gone"
