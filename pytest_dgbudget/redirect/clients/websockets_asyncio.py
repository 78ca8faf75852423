"""websockets on asyncio, 13 and later."""

from __future__ import annotations

from typing import Any

from ..patches import is_replaced, replace
from .websockets_connect import redirecting

_METHODS = ("__await__", "__await_impl__", "__aenter__", "__aiter__", "open_tcp_connection", "create_connection")


def patch(module: Any) -> None:
    below = [(module.connect, name) for name in _METHODS] + [(module.ClientConnection, "handshake")]
    replace(
        module.connect, "__init__", lambda original: redirecting(original, lambda: is_replaced("websockets", *below))
    )
