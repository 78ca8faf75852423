"""websockets on threads: ``connect`` is a function, which from 17.1 on makes a ``reconnect``."""

from __future__ import annotations

import functools
from typing import Any

from ..patches import is_replaced, replace, replace_code
from .websockets_connect import Arguments, redirecting


def patch(module: Any) -> None:
    below = [(module.ClientConnection, "handshake")]

    def is_mocked() -> bool:
        return is_replaced("websockets", *below)

    if isinstance(getattr(module, "reconnect", None), type):
        below += [(module.reconnect, name) for name in ("__enter__", "__iter__", "connect", "open_connection")]
        replace(module.reconnect, "__init__", lambda original: redirecting(original, is_mocked))
    else:
        replace_code(module.connect, lambda original: _redirecting_function(original, is_mocked))


def _redirecting_function(original: Any, is_mocked: Any) -> Any:
    arguments = Arguments(original)

    @functools.wraps(original)
    def connect(uri: Any, *args: Any, **kwargs: Any) -> Any:
        uri, kwargs = arguments.redirected(uri, kwargs, is_mocked)
        return original(uri, *args, **kwargs)

    return connect
