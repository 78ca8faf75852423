"""Whether the head of a request would open a session; how it is refused or, under ``warn``, let through."""

from __future__ import annotations

from ..bypass import pass_or_refuse
from ..credentials import is_upgrade
from ..routing import Address
from ..settings import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def refuse_session(server_hostname: Any, head: bytes) -> None:
    """Raise BypassRefused if the head would open a session at one of the hosts that it names, or that TLS names."""
    settings = current()
    path, headers = _parsed(head.decode("latin-1"))
    if settings is None or not is_upgrade(headers):
        return
    named = [value for name, value in headers if name.lower() == "host"]
    for host in [str(server_hostname or ""), *named]:
        address = Address(f"wss://{host}{path}")
        if address.is_vendor(settings) and address.is_agent(settings):
            pass_or_refuse(settings, address.host, address.path)
            return


def _parsed(head: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the path and the headers of a request."""
    lines = head.partition("\r\n\r\n")[0].split("\r\n")
    pairs = [line.partition(":") for line in lines[1:]]
    words = lines[0].split(" ")
    return (words[1] if len(words) > 1 else "/"), [(name.strip(), value.strip()) for name, _, value in pairs]
