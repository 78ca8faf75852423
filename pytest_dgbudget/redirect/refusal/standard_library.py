"""The standard library's ssl, and what is built on it: asyncio, uvloop, tornado, autobahn on asyncio, truststore."""

from __future__ import annotations

from ..patches import replace_code
from .first_write import look_at_first_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch(module: Any) -> None:
    # The function stays the same: eventlet changes what its globals name SSLSocket.
    replace_code(module.SSLSocket._create.__func__, _looking)
    replace_code(module.SSLObject._create.__func__, _looking)


def _looking(original: Any) -> Any:
    def _create(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(cls, *args, **kwargs)
        look_at_first_write(made)
        return made

    return _create
