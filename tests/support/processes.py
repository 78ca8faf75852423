"""Find the gateway of a pytest under test, by the system's own list of processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def gateway_of(pid: int) -> int:
    """Wait for a gateway that this pytest has started, on whichever of its threads, and return its process id."""
    found: list[int] = []

    def started() -> bool:
        found[:] = [child for child in children_of(pid) if b"pytest_dgbudget.gateway" in command_line(child)]
        return bool(found)

    wait_until(started)
    return found[0]


def children_of(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):  # a thread that has just ended
            children += [int(child) for child in task.read_text(encoding="ascii").split()]
    return children


def command_line(pid: int) -> bytes:
    """Return a process's arguments; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(happened: Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
