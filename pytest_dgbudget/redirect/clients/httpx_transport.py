"""httpx, and httpx-ws on it: each request, as the transport gets it."""

from __future__ import annotations

import copy
import functools
from typing import Any

from ..credentials import Shown, is_upgrade
from ..patches import is_replaced, replace
from ..routing import Request

# Of the request that was meant: the server's name for TLS, and a target that differs from the URL's.
_DROPPED = ("sni_hostname", "target")


def patch(module: Any) -> None:
    replace(module.HTTPTransport, "handle_request", _redirecting)
    replace(module.AsyncHTTPTransport, "handle_async_request", _redirecting_async)


def _redirecting(original: Any) -> Any:
    @functools.wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        there = _redirected(self, request, "handle_request")
        return original(self, request) if there is None else original(_direct(self, "ConnectionPool"), there)

    return handle_request


def _redirecting_async(original: Any) -> Any:
    @functools.wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        there = _redirected(self, request, "handle_async_request")
        if there is None:
            return await original(self, request)
        return await original(_direct(self, "AsyncConnectionPool"), there)

    return handle_async_request


def _redirected(transport: Any, request: Any, method: str) -> Any | None:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    there = Request(
        request.url,
        lambda: Shown(pairs),
        lambda: _leads_elsewhere(transport._pool, method),
        method=request.method,
        is_websocket=is_upgrade(pairs),
    ).redirected()
    if there is None:
        return None
    headers = [*there.headers, ("Host", there.gateway)]
    if _has_proxy(transport._pool) and not is_upgrade(pairs):
        headers = [pair for pair in headers if pair[0].lower() != "connection"] + [("Connection", "close")]
    extensions = {name: value for name, value in request.extensions.items() if name not in _DROPPED}
    return type(request)(request.method, there.http_url, headers=headers, stream=request.stream, extensions=extensions)


def _leads_elsewhere(pool: Any, method: str) -> bool:
    """Return whether a test answers itself, by a mock of what is below, or the transport uses a Unix socket."""
    import httpcore

    if not isinstance(pool, (httpcore.ConnectionPool, httpcore.AsyncConnectionPool)):
        return True
    connection = httpcore.HTTPConnection if method == "handle_request" else httpcore.AsyncHTTPConnection
    places = [(owner, method) for owner in (*type(pool).__mro__, connection)]
    return getattr(pool, "_uds", None) is not None or is_replaced("httpcore", *places)


def _has_proxy(pool: Any) -> bool:
    import httpcore

    # Its proxies were classes of their own before it had them as an attribute.
    plain = (httpcore.ConnectionPool, httpcore.AsyncConnectionPool)
    return getattr(pool, "_proxy", None) is not None or type(pool) not in plain


def _direct(transport: Any, pool_class: str) -> Any:
    """Return a transport that leads to the gateway without the proxy, for one request that closes its connection."""
    import httpcore

    if not _has_proxy(transport._pool):
        return transport
    direct = copy.copy(transport)
    direct._pool = getattr(httpcore, pool_class)()
    return direct
