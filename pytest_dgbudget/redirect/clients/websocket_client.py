"""websocket-client: ``WebSocket.connect``, which create_connection and WebSocketApp use as well."""

from __future__ import annotations

import functools
from typing import Any

from ..credentials import Shown
from ..patches import is_replaced, replace
from ..routing import Redirected, Request

# How the connection to the vendor would have been made, and what belongs to its host.
_TRANSPORT = ("socket", "host", "cookie", "http_proxy_auth")
# By these the library connects to the gateway itself, without the proxy of the environment.
_NO_PROXY = {"http_proxy_host": "127.0.0.1", "http_proxy_port": 1, "http_no_proxy": ["*"], "proxy_type": "http"}


def patch(module: Any) -> None:
    below = [(module, "connect"), (module, "handshake")]
    replace(module.WebSocket, "connect", lambda original: _redirecting(original, below))


def _redirecting(original: Any, below: list[tuple[Any, str]]) -> Any:
    @functools.wraps(original)
    def connect(self: Any, url: Any, **options: Any) -> Any:
        there = Request(url, lambda: _shown(options), lambda: is_replaced("websocket", *below)).redirected()
        if there is None:
            return original(self, url, **options)
        return original(self, there.ws_url, **_changed(options, there))

    return connect


def _shown(options: dict[str, Any]) -> Shown:
    return Shown(_pairs(options.get("header")), options.get("subprotocols"))


def _changed(options: dict[str, Any], there: Redirected) -> dict[str, Any]:
    connection = options.get("socket")
    if connection is not None:
        connection.close()
    changed = {name: value for name, value in options.items() if name not in _TRANSPORT}
    changed.update(_NO_PROXY)
    if isinstance(options.get("header"), dict):
        changed["header"] = dict(there.headers)
    else:
        changed["header"] = [f"{name}: {value}" for name, value in there.headers]
    if there.subprotocols is not None:
        changed["subprotocols"] = there.subprotocols
    return changed


def _pairs(header: Any) -> list[tuple[str, str]]:
    """Return headers, which are a dict or lines, as pairs."""
    if isinstance(header, dict):
        return [(str(name), str(value)) for name, value in header.items() if value is not None]
    lines = [header] if isinstance(header, str) else header or ()
    split = [str(line).partition(":") for line in lines]
    return [(name.strip(), value.strip()) for name, _, value in split]
