"""The vendor's end of a session that a cassette plays: frames over a pair of sockets, in the gateway's own loop."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from re import Pattern
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from pytest_dgbudget.cassette.cassette import CassetteText
from pytest_dgbudget.cassette.causes import type_of
from pytest_dgbudget.cassette.matching import Player
from pytest_dgbudget.cassette.mismatches import unplayable
from pytest_dgbudget.gateway.clock import Clock, Timer
from pytest_dgbudget.gateway.frames import BINARY, TEXT, Close, close_frame, frame
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.open_files import lacks_files, no_files_left
from pytest_dgbudget.gateway.recorded_messages import LONGEST_TEXT
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import DialLost
from pytest_dgbudget.model import Mismatch
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.recording.lines import LEFT_OUT, payload_of, text_of
from pytest_dgbudget.recording.scrubbing import Scrubber
from pytest_dgbudget.recording.tags import without_tag


class Scrubbing:
    """What the clients' messages are scrubbed with, as recordings are; ``tag`` is what the gateway adds to Settings."""

    def __init__(self, tag: str, secrets: Sequence[str], patterns: Sequence[Pattern[str]]) -> None:
        self._tag = tag
        self._secrets = tuple(secrets)
        self._patterns = patterns

    def of_session(self, secrets: Secrets) -> ClientTexts:
        """Return what reads the texts of one session, which has these secrets besides."""
        return ClientTexts(self._tag, Scrubber((*self._secrets, *secrets.texts()), self._patterns))


class ClientTexts:
    """A client's text messages as a recording would have them."""

    def __init__(self, tag: str, scrubber: Scrubber) -> None:
        self._tag = tag
        self._scrubber = scrubber

    def payload(self, text: bytes) -> Any:
        """Return a message as JSON, without the run's tag and scrubbed."""
        if len(text) > LONGEST_TEXT:
            return {"type": LEFT_OUT, "bytes": len(text)}
        payload = payload_of(text.decode("utf-8", "replace"))
        if type_of(payload) == "Settings":
            payload = without_tag(payload, self._tag)
        return self._scrubber.scrub(payload, from_client=True)


class CassettePeer(asyncio.Protocol):
    """What the player has due goes out, and what the client sends is the player's. Times are those of ``clock``.

    ``begun`` takes the client's first text but for KeepAlives, and returns whether the player goes on; ``mismatch``
    returns why nothing is played any more.
    """

    def __init__(
        self,
        player: Player,
        texts: ClientTexts,
        clock: Clock,
        dialled_ms: int,
        *,
        begun: Callable[[Any], bool],
        mismatch: Callable[[], Mismatch | None],
    ) -> None:
        self._player = player
        self._begun = begun
        self._mismatch = mismatch
        self._clock = clock
        self._dialled_ms = dialled_ms
        self._texts = texts
        self._protocol = Protocol(SERVER, max_size=None)
        self._opcode = Opcode.TEXT
        self._text = bytearray()
        self._has_begun = False
        self._has_closed = False
        self._timer: Timer | None = None

    async def connected(self) -> OtherEnd:
        """Connect the gateway's end and return it; raises DialLost."""
        loop = asyncio.get_running_loop()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            if lacks_files(error):
                raise DialLost(503, no_files_left(), codes.OPEN_FILES) from None
            raise DialLost(502, str(error)) from None
        await loop.create_connection(lambda: self, sock=theirs)
        _, other_end = await loop.create_connection(OtherEnd, sock=ours)
        return other_end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._clock.call_soon(self._play)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        with self._or_mismatch():
            for event in self._protocol.events_received():
                assert isinstance(event, Frame)
                self._take(event)
        for out in self._protocol.data_to_send():
            if out and not self._has_closed:  # a pong; what answers a Close is the relay's
                self._transport.write(out)
        self._play()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_closed = True
        self._stop_timer()

    def _take(self, came: Frame) -> None:
        if came.opcode is Opcode.CLOSE:
            self._has_closed = True
            self._transport.close()
        elif came.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT) and not self._has_closed:
            self._opcode = self._opcode if came.opcode is Opcode.CONT else came.opcode
            if self._opcode is Opcode.BINARY:
                self._player.client_sent_audio(bytes(came.data), self._now_ms())
            else:
                self._text += came.data
                if came.fin:
                    text = bytes(self._text)
                    self._text.clear()
                    self._said(self._texts.payload(text))

    def _said(self, payload: Any) -> None:
        if not self._has_begun and type_of(payload) != "KeepAlive":
            self._has_begun = True
            if not self._begun(payload):
                return
        self._player.client_said(payload, self._now_ms())

    def _play(self) -> None:
        """Send what is due, and come again when more will be."""
        self._stop_timer()
        if self._has_closed:
            return
        if self._mismatch() is None:
            with self._or_mismatch():
                for message in self._player.due(self._now_ms()):
                    self._transport.write(_frame_of(message))
        mismatch, close = self._mismatch(), self._player.close
        if mismatch is not None:
            self._close(Close(codes.CASSETTE_MISMATCH, mismatch.what))
        elif close is not None and self._player.cassette.facts.closed_by == "network":
            self._transport.abort()
        elif close is not None:
            self._close(Close(close.code, close.reason))
        elif (next_ms := self._player.next_at_ms) is not None:
            self._timer = self._clock.call_at_ms(self._dialled_ms + math.ceil(next_ms), self._play)

    @contextmanager
    def _or_mismatch(self) -> Iterator[None]:
        """End the session with a mismatch where something of ours fails: with its vendor lost, it would be replayed."""
        try:
            yield
        except Exception as error:
            self._player.mismatch = unplayable(self._player.cassette, error)
            log(error)

    def _close(self, close: Close) -> None:
        self._has_closed = True
        self._transport.write(close_frame(close, mask=False))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now_ms(self) -> int:
        return self._clock.now_ms() - self._dialled_ms


class OtherEnd(asyncio.Protocol):
    """The gateway's end, until its relay takes over."""

    def __init__(self) -> None:
        self.rest = b""
        self.was_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.rest += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_lost = True


def _frame_of(message: CassetteText | bytes) -> bytes:
    if isinstance(message, bytes):
        return frame(BINARY, message, mask=False)
    return frame(TEXT, text_of(message.payload), mask=False)
