"""picows."""

from __future__ import annotations

import functools
from typing import Any

from ..credentials import Shown
from ..patches import is_replaced, replace_code
from ..routing import Request

# How the connection to the vendor would have been made.
_TRANSPORT = ("proxy", "proxy_ssl_context", "server_hostname", "socket_factory", "ssl_context", "local_addr")


def patch(module: Any) -> None:
    below = [(module, "connect_through_optional_proxy")]
    replace_code(module.ws_connect, lambda original: _redirecting(original, lambda: is_replaced("picows", *below)))


def _redirecting(original: Any, is_mocked: Any) -> Any:
    @functools.wraps(original)
    async def ws_connect(ws_listener_factory: Any, url: Any, **given: Any) -> Any:
        pairs = _pairs(given.get("extra_headers") or ())
        there = Request(url, lambda: Shown(pairs), is_mocked).redirected()
        if there is None:
            return await original(ws_listener_factory, url, **{**given, "extra_headers": pairs})
        changed = {name: value for name, value in given.items() if name not in _TRANSPORT}
        return await original(ws_listener_factory, there.ws_url, **{**changed, "extra_headers": there.headers})

    return ws_connect


def _pairs(headers: Any) -> list[tuple[str, str]]:
    items = headers.items() if hasattr(headers, "items") else headers
    return [(str(name), str(value)) for name, value in items]
