"""What this machine shows of its processes: where the gateway of a pytest is, and whether a process still runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pytest_dgbudget.paths import read_text
from pytest_dgbudget.processes import stat_of

_PROC = Path("/proc")
_GATEWAY = "pytest_dgbudget.gateway"


def shows_processes() -> bool:
    """Tell whether another process's children can be found here."""
    return _has_proc() or shutil.which("ps") is not None


def gateways_of(pid: int) -> list[int]:
    """Return the gateways that a process has started and that still run."""
    return [child for child, parent, command in _processes() if parent == pid and _GATEWAY in command]


def is_running(pid: int) -> bool:
    """A process that has ended and was not waited for doesn't run any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        return stat_of(pid)[0] != "Z"
    return True


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _processes() -> Iterator[tuple[int, int, str]]:
    """Each one's id, its parent's, and its command."""
    if not shows_processes():
        return iter(())
    return _in_proc() if _has_proc() else _in_ps()


def _in_proc() -> Iterator[tuple[int, int, str]]:
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            yield int(folder.name), int(stat_of(int(folder.name))[1]), read_text(folder / "cmdline", "replace")


def _in_ps() -> Iterator[tuple[int, int, str]]:
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, errors="replace", check=False
    )
    for line in listed.stdout.splitlines():
        pid, parent, *command = line.split(None, 2)
        yield int(pid), int(parent), " ".join(command)
