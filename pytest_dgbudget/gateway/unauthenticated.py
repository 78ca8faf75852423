"""Connections that have proved nothing yet: anybody on this machine can make them, so they may hold little."""

from __future__ import annotations

import asyncio

# Whoever has a token or the control secret shows it at once.
MOST_UNAUTHENTICATED = 256


class UnauthenticatedConnections:
    """Counts them; one too many costs the oldest its connection."""

    def __init__(self) -> None:
        self._transports: dict[asyncio.Transport, None] = {}

    def enter(self, transport: asyncio.Transport) -> None:
        self._transports[transport] = None
        if len(self._transports) > MOST_UNAUTHENTICATED:
            oldest = next(iter(self._transports))
            self.leave(oldest)
            oldest.abort()

    def leave(self, transport: asyncio.Transport) -> None:
        """It is known now, or gone. May be called again."""
        self._transports.pop(transport, None)
