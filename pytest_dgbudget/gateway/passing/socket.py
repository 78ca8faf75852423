"""A WebSocket that is passed on, and read for its frames alone."""

from __future__ import annotations

import asyncio

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.handshake import accepted, complete
from pytest_dgbudget.gateway.passing.request import Passage, passed_headers
from pytest_dgbudget.gateway.relay import Relay
from pytest_dgbudget.gateway.targets.target import dial_with_secrets
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.protocol.codes import TEST_OVER

_RUN_IS_OVER = Close(TEST_OVER, "the run is over")
_OF_THE_HANDSHAKE = ("sec-websocket-", "user-agent")
# What a client would get of the vendor's 101 without us.
_PASSES_DOWN = ("dg-", "x-dg-")


async def pass_socket(exchange: Exchange, passage: Passage, credentials: Credentials, clock: Clock) -> PassedSocket:
    """Dial, and join both sides; raises NoHandshake or DialFailed."""
    request = exchange.request
    handshake = accepted(request)
    scheme, _, rest = passage.url.partition("://")
    url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}{'?' if request.query else ''}{request.query}"
    headers = [pair for pair in passed_headers(request) if not pair[0].startswith(_OF_THE_HANDSHAKE)]
    upstream = await dial_with_secrets(
        passage.secrets,
        url,
        headers={**dict(headers), "Authorization": f"Token {passage.key}"},
        user_agent=request.header("user-agent") or None,
        subprotocols=credentials.subprotocols,
    )
    complete(handshake, lambda name: name.startswith(_PASSES_DOWN), credentials, upstream)
    exchange.transport.write(handshake.serialize())
    return PassedSocket(exchange, upstream, clock)


class PassedSocket:
    """An open one; ``ended`` is done when the vendor's side is closed."""

    def __init__(self, exchange: Exchange, upstream: Upstream, clock: Clock) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._relay = Relay(exchange.transport, upstream, _Unread(), lambda _: self.ended.set_result(None), clock)
        self._relay.start(exchange.early)

    def close(self) -> None:
        self._relay.close("teardown", _RUN_IS_OVER)


class _Unread:
    """What a relay is told of a session's messages: nothing is looked for in these."""

    request_id: str | None = None
    last_moved_ms = 0
    configured = True
    tagged = False
    waits_for_client = False
    is_reading = False
    awaits_answer = False

    def moved(self) -> None: ...

    def client_said(self, text: bytes) -> bytes:
        return text

    def client_said_too_much(self) -> None: ...

    def client_audio(self, chunk: Chunk) -> None: ...

    def vendor_said(self, text: bytes) -> None: ...

    def vendor_audio(self, frames: int, size: int) -> None: ...

    def closing(self) -> None: ...

    def ended(self, *, cut: bool) -> None: ...

    def audio_ms(self, *, in_bytes: int, out_bytes: int) -> tuple[int | None, int | None]:
        return None, None
