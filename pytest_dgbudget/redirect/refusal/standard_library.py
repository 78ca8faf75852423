"""The standard library's ssl, and what is built on it: asyncio, uvloop, tornado, autobahn on asyncio, truststore."""

from __future__ import annotations

import functools

from ..patches import replace
from .first_write import look_at_first_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch(module: Any) -> None:
    replace(module.SSLSocket, "_create", _looking)
    replace(module.SSLObject, "_create", _looking)


def _looking(original: Any) -> Any:
    function = original.__func__

    @functools.wraps(function)
    def _create(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made = function(cls, *args, **kwargs)
        look_at_first_write(made)
        return made

    return classmethod(_create)
