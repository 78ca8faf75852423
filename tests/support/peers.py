"""Which process has connected, by /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path


def process_of(peer: tuple[str, int]) -> str | None:
    """Return the command of the process whose socket has this address."""
    host, port = peer
    address = f"{bytes(reversed(bytes(map(int, host.split('.'))))).hex().upper()}:{port:04X}"
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        columns = line.split()
        if columns[1] == address:
            return _holder_of(f"socket:[{columns[9]}]")
    return None


def _holder_of(link: str) -> str | None:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if any(_leads_to(descriptor, link) for descriptor in (process / "fd").iterdir()):
                return (process / "cmdline").read_text(encoding="utf-8").replace("\0", " ")
    return None


def _leads_to(descriptor: Path, link: str) -> bool:
    try:
        return str(descriptor.readlink()) == link
    except OSError:  # closed meanwhile
        return False
