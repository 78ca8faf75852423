"""Commands in a network of their own."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def own_network(*others: str) -> list[str]:
    """Return what a command begins with to have one, and ``others`` of unshare's; skips where none can be made."""
    unshare = ["unshare", "--net", *others, *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own can't be made here")
    return unshare


def without_network(*command: str) -> list[str]:
    """Return a command that runs where there is nothing but loopback; skips where that can't be made."""
    return [*own_network(), "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
