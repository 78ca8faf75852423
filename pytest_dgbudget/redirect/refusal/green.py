"""Sockets of gevent and eventlet, which are made by classes of their own."""

from __future__ import annotations

import functools

from ..patches import replace
from .first_write import look_at_first_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch(module: Any) -> None:
    made_by = "SSLSocket" if module.__name__ == "gevent.ssl" else "GreenSSLSocket"
    replace(getattr(module, made_by), "__init__", _looking)


def _looking(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - that is what it replaces
        original(self, *args, **kwargs)
        look_at_first_write(self)

    return __init__
