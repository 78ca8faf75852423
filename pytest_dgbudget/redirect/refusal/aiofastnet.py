"""aiofastnet, whose TLS shows nobody what is written: a connection to the agent's own host is refused by its name."""

from __future__ import annotations

import functools

from ..bypass import pass_or_refuse
from ..patches import replace_code
from ..routing import AGENT_HOST
from ..settings import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch(module: Any) -> None:
    replace_code(module.create_connection, _refusing)


def _refusing(original: Any) -> Any:
    @functools.wraps(original)
    async def create_connection(
        loop: Any, protocol_factory: Any, host: Any = None, port: Any = None, **kwargs: Any
    ) -> Any:
        settings = current()
        named = [str(name).lower().rstrip(".") for name in (host, kwargs.get("server_hostname")) if name]
        if settings is not None and kwargs.get("ssl") and AGENT_HOST in named:
            pass_or_refuse(settings, AGENT_HOST, "/")
        return await original(loop, protocol_factory, host, port, **kwargs)

    return create_connection
