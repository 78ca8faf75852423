"""Processes: which one a process id means, and the environment in which ours are started."""

from __future__ import annotations

import contextlib
import os
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h

# COVERAGE_: coverage's hook would measure our processes, and write their data into the project.
_NOT_INHERITED = ("DEEPGRAM_", "DG_", "DGBUDGET_", "COVERAGE_")
_CHANGES_PYTHON = {"PYTHONWARNINGS", "PYTHONASYNCIODEBUG"}


def process_started(pid: int) -> str | None:
    """Return when a process started, in the system's own count, to distinguish it from a later one with the same id.

    None on systems without /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 - a file of the system
            return stat.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def clean_environment() -> dict[str, str]:
    """Return our environment without what is meant for tests or coverage, or changes how Python runs."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_NOT_INHERITED) and name not in _CHANGES_PYTHON
    }


def leave_no_core() -> None:
    """Let this process leave no core file: its memory holds a key. Some systems pipe cores past the limit."""
    import resource  # here: Windows has none

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
