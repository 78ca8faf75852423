"""websockets on trio, 17 and later."""

from __future__ import annotations

from typing import Any

from ..patches import is_replaced, replace
from .websockets_connect import redirecting

_METHODS = ("connect", "open_connection", "open_tcp_stream", "__aenter__", "__aenter_nursery__", "__aiter__")


def patch(module: Any) -> None:
    below = [(module.connect, name) for name in _METHODS] + [(module.ClientConnection, "handshake")]
    replace(
        module.connect, "__init__", lambda original: redirecting(original, lambda: is_replaced("websockets", *below))
    )
