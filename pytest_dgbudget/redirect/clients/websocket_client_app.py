"""websocket-client's WebSocketApp: what waits for its messages must not expect TLS of a redirected session."""

from __future__ import annotations

import functools
from typing import Any

from ..patches import replace


def patch(module: Any) -> None:
    replace(module.WebSocketApp, "create_dispatcher", _redirecting)


def _redirecting(original: Any) -> Any:
    @functools.wraps(original)
    def create_dispatcher(
        self: Any, ping_timeout: Any, dispatcher: Any = None, is_ssl: bool = False, *args: Any, **kwargs: Any
    ) -> Any:
        made = original(self, ping_timeout, dispatcher, is_ssl, *args, **kwargs)
        if dispatcher or not is_ssl:
            return made
        return _EitherDispatcher(made, original(self, ping_timeout, dispatcher, False, *args, **kwargs))

    return create_dispatcher


class _EitherDispatcher:
    """Reads as the connection is: with TLS or, where it was redirected, without."""

    def __init__(self, secure: Any, plain: Any) -> None:
        self._secure = secure
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._secure, name)

    def read(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
        dispatcher = self._secure if hasattr(sock, "pending") else self._plain
        return dispatcher.read(sock, *args, **kwargs)
