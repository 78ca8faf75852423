"""The 101 that a client gets, made before anything is dialled and sent after the target's own."""

from __future__ import annotations

from collections.abc import Callable

from websockets.datastructures import Headers as ResponseHeaders
from websockets.http11 import Request as UpgradeRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol

from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.upstream import Upstream

# What is agreed on with the vendor, not here; either may come in several lines.
_NEGOTIATED = {"sec-websocket-extensions", "sec-websocket-protocol"}


class NoHandshake(Exception):
    """The upgrade is not as RFC 6455 has it; ``response`` says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def accepted(request: Request) -> Response:
    """Return the 101 that the library would send; raises NoHandshake."""
    protocol = ServerProtocol()
    if request.method != "GET":
        raise NoHandshake(protocol.reject(405, "a WebSocket opens with GET\n"))
    headers = ResponseHeaders((name, value) for name, value in request.headers if name not in _NEGOTIATED)
    handshake = protocol.accept(UpgradeRequest(request.path, headers))
    if handshake.status_code != 101:
        raise NoHandshake(handshake)
    return handshake


def complete(
    handshake: Response, passes_down: Callable[[str], bool], credentials: Credentials, upstream: Upstream
) -> None:
    """Add to the 101 what passes down of the target's own: some headers, and the chosen subprotocol."""
    for name, value in upstream.headers:
        if passes_down(name.lower()) and name.isascii():
            # Not every release of the library can send back what it has read.
            handshake.headers[name] = value.encode("ascii", "replace").decode()
    chosen = upstream.subprotocol or credentials.chosen
    if chosen is not None:
        handshake.headers["Sec-WebSocket-Protocol"] = chosen
