"""The port: takes whoever connects, and answers even when no file descriptor is left for one more."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from pytest_dgbudget.gateway.http import refusal
from pytest_dgbudget.gateway.open_files import no_files_left
from pytest_dgbudget.protocol import codes

# How long one that is turned away has to say what it wants, and how soon the system is asked again.
_PATIENCE_SECONDS = 1


class ListeningSocket:
    """Serves a listening socket.

    A spare descriptor is kept for when no other is left: then one connection at a time is told so, and ``full`` is
    called for the first of them. asyncio's own server would try, and log, without end.
    """

    def __init__(
        self, listening: socket.socket, connection: Callable[[], asyncio.Protocol], full: Callable[[str], object]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._connection = connection
        self._full = full
        self._was_full = False
        self._closed = False
        self._taking: set[asyncio.Task[object]] = set()
        listening.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Take nobody any more. A successor may go on with the same socket."""
        if not self._closed:
            self._closed = True
            self._pause()
            self._socket.close()

    def _listen(self) -> None:
        if self._closed:
            return
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._loop.call_later(_PATIENCE_SECONDS, self._listen)
        else:
            self._loop.add_reader(self._socket, self._accept)

    def _pause(self) -> None:
        """Free the spare descriptor."""
        if self._loop.remove_reader(self._socket):
            os.close(self._spare)

    def _accept(self) -> None:
        """Take one: when nobody waits any more, the system may as well say that no descriptor is left."""
        try:
            self._take(self._socket.accept()[0], self._connection)
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            self._pause()
            self._turn_one_away()

    def _turn_one_away(self) -> None:
        if not self._was_full:
            self._was_full = True
            self._full(no_files_left())
        try:
            self._take(self._socket.accept()[0], lambda: _TurnedAway(self._listen))
        except OSError:
            self._loop.call_later(_PATIENCE_SECONDS, self._listen)

    def _take(self, accepted: socket.socket, connection: Callable[[], asyncio.Protocol]) -> None:
        accepted.setblocking(False)
        taking: asyncio.Task[object] = self._loop.create_task(self._taken(accepted, connection))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)

    async def _taken(self, accepted: socket.socket, connection: Callable[[], asyncio.Protocol]) -> None:
        with suppress(OSError):  # it is gone already
            await self._loop.connect_accepted_socket(connection, accepted)


class _TurnedAway(asyncio.Protocol):
    """A connection that gets its answer when it has asked something; ``gone`` is called when it is closed."""

    def __init__(self, gone: Callable[[], object]) -> None:
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._transport.write(refusal(503, codes.OPEN_FILES, no_files_left()))
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        asyncio.get_running_loop().call_soon(self._gone)  # its socket is closed after this
