"""Which process has connected, by /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path

Address = tuple[str, int]


def process_of(peer: Address, server: Address) -> str | None:
    """Return the command of the process that has connected from one address to the other.

    Both count: two connections to different servers may have the same port here.
    """
    ends = [_written(peer), _written(server)]
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        columns = line.split()
        if columns[1:3] == ends:
            return _holder_of(f"socket:[{columns[9]}]")
    return None


def _written(address: Address) -> str:
    host, port = address
    return f"{bytes(reversed(bytes(map(int, host.split('.'))))).hex().upper()}:{port:04X}"


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
