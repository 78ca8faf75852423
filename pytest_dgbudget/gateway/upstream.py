"""Dial the vendor: the handshake is the websockets library's, the bytes after it are ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.http11 import Response
from websockets.typing import Subprotocol

from pytest_dgbudget.config import host_of
from pytest_dgbudget.config.resolve import is_loopback
from pytest_dgbudget.gateway.open_files import lacks_files, no_files_left
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.rules.refusals import read_error

_OPEN_TIMEOUT_SECONDS = 10
_LONGEST_REASON = 300
_END_OF_HEAD = b"\r\n\r\n"


class DialFailed(Exception):
    """No 101 came. ``status``, ``headers`` and ``body`` answer the client."""

    def __init__(self, closed_by: ClosedBy, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        super().__init__(status)
        self.closed_by = closed_by
        self.status = status
        self.headers = headers
        self.body = body

    def why(self) -> str:
        """Return what the report says of it, on one line."""
        return on_one_line(f"{self.status}: {read_error(self.body).message}")


class DialLost(DialFailed):
    """The vendor could not be reached, or what answered does not speak the protocol."""

    def __init__(self, status: int, reason: str, code: str = codes.UPSTREAM) -> None:
        super().__init__("network", status, (), b"")
        self.reason = reason
        self.code = code

    def why(self) -> str:
        return on_one_line(self.reason)


class _HandshakeOnly(ClientConnection):
    """Feeds the library nothing but the response's head: a Welcome may share the 101's segment."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.head = b""
        self.rest = b""
        self.was_lost = False
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_lost = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.rest or _END_OF_HEAD in self.head:
            self.rest += data
            return
        self.head += data
        head, end, rest = self.head.partition(_END_OF_HEAD)
        if not end:
            return
        self.head = head + end
        if head.split(b" ", 2)[1:2] == [b"101"]:
            self.rest = rest
            super().data_received(self.head)
        else:
            # A refusal: the library reads its body as well.
            self.data_received = super().data_received  # type: ignore[method-assign]
            super().data_received(self.head + rest)


class Carrier(Protocol):
    """What carries a session's bytes until the relay takes over."""

    @property
    def transport(self) -> asyncio.Transport: ...

    @property
    def was_lost(self) -> bool:
        """True when the connection ended before another protocol took over."""
        ...

    @property
    def rest(self) -> bytes:
        """What has come after the response's head up to now: it grows until another protocol takes over."""
        ...


_NO_SECRETS = Secrets()


@dataclass(frozen=True, slots=True)
class Upstream:
    """An open connection at a target: the headers of its 101, and the subprotocol that it chose.

    ``secrets`` is what nothing that comes by it may repeat.
    """

    headers: Sequence[tuple[str, str]]
    subprotocol: str | None
    carrier: Carrier
    secrets: Secrets = _NO_SECRETS

    @property
    def transport(self) -> asyncio.Transport:
        return self.carrier.transport

    @property
    def was_lost(self) -> bool:
        return self.carrier.was_lost

    @property
    def rest(self) -> bytes:
        return self.carrier.rest


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Never follow: the key goes to the URL that was given and nowhere else."""
        return exc


async def dial(
    url: str, *, headers: Mapping[str, str], user_agent: str | None, subprotocols: Sequence[str]
) -> Upstream:
    """Open a session at the vendor; raise DialFailed with what to answer the client."""
    try:
        connection = await _Connect(
            url,
            create_connection=_HandshakeOnly,
            additional_headers=dict(headers),
            user_agent_header=user_agent,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            proxy=None if is_loopback(host_of(url)) else True,
            open_timeout=_OPEN_TIMEOUT_SECONDS,
            ping_interval=None,
            max_size=None,
        )
    except InvalidStatus as refusal:
        if refusal.response.status_code // 100 == 3:
            # Passed on, it would lead clients past us.
            raise DialLost(502, _redirected(refusal.response)) from None
        raise _refused(refusal.response) from None
    except (TimeoutError, asyncio.TimeoutError):
        raise DialLost(504, f"no answer to the handshake within {_OPEN_TIMEOUT_SECONDS} s") from None
    except (OSError, EOFError, ImportError, ValueError, WebSocketException) as error:
        if lacks_files(error.__cause__ or error):
            raise DialLost(503, no_files_left(), codes.OPEN_FILES) from None
        raise DialLost(502, _explained(error)) from None
    assert isinstance(connection, _HandshakeOnly)
    assert connection.response is not None
    return Upstream(list(connection.response.headers.raw_items()), connection.subprotocol, connection)


def on_one_line(text: str) -> str:
    """Return a text from outside as a message can have it: printable, short."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_LONGEST_REASON].rstrip(" :")


_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}


def _refused(response: Response) -> DialFailed:
    headers = [(name, value) for name, value in response.headers.raw_items() if name.lower() not in _HOP_BY_HOP]
    return DialFailed("refused", response.status_code, headers, bytes(response.body or b""))


def _redirected(response: Response) -> str:
    where = " and ".join(response.headers.get_all("Location")) or "nowhere"
    return f"it redirects to {where}, which is not followed: name the endpoint itself with --dg-agent-url"


def _explained(error: BaseException) -> str:
    """The library wraps what really happened; say that."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
