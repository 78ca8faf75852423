"""Processes: which one a process id means, and the environment in which ours are started."""

from __future__ import annotations

import os

_OURS = ("DEEPGRAM_", "DG_", "DGBUDGET_")
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
    """Return our environment without the variables meant for tests, and without those that change how Python runs."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name not in _CHANGES_PYTHON
    }
