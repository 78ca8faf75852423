"""Which Host headers are ours: a page whose own name was made to point here (DNS rebinding) names another one."""

from __future__ import annotations

from collections.abc import Iterable


class AllowedHosts:
    """``patterns`` are those of dg_allowed_hosts: ``NAME`` (with the gateway's port), ``NAME:PORT``, ``NAME:*``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [pattern.lower() for pattern in patterns]

    def accepts(self, host: str, address: str, port: int) -> bool:
        """Return whether a Host header is right on a connection to this address and port."""
        host = host.lower()
        if host in {f"{name}:{port}" for name in (address, "localhost", "127.0.0.1")}:
            return True
        return any(_matches(host, pattern, port) for pattern in self._patterns)


def _matches(host: str, pattern: str, port: int) -> bool:
    name, number = _split(host)
    wanted, wanted_number = _split(pattern)
    return name == wanted and (wanted_number == "*" or number == (wanted_number or str(port)))


def _split(host: str) -> tuple[str, str]:
    """Return name and port, which may be empty; the colons of an IPv6 address stand in brackets."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and not port.endswith("]") else (host, "")
