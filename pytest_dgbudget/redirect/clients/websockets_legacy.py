"""websockets' first client on asyncio."""

from __future__ import annotations

from typing import Any

from ..patches import is_replaced, replace
from .websockets_connect import redirecting

_METHODS = ("__await__", "__await_impl__", "__await_impl_timeout__", "__aenter__", "__aiter__")


def patch(module: Any) -> None:
    below = [(module.Connect, name) for name in _METHODS] + [(module.WebSocketClientProtocol, "handshake")]
    replace(
        module.Connect, "__init__", lambda original: redirecting(original, lambda: is_replaced("websockets", *below))
    )
