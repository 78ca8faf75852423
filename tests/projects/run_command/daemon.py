"""Leaves a process behind that talks on: in a session of its own, with none of its starter's files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

daemon = subprocess.Popen(
    [sys.executable, "endless.py"],
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)
assert daemon.stdout is not None
assert daemon.stdout.readline() == b"talking\n"
Path("daemon.pid").write_text(str(daemon.pid), encoding="ascii")
