"""The files of a report, made anew by a process in which everything is otherwise that a program may depend on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_OTHERWISE = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Asia/Tokyo"}
_CHECKOUT = Path(__file__).parent.parent.parent


def rebuilt_elsewhere(usage: Path, folder: Path) -> None:
    """Make them of this ``usage.json``: with other hashes, another language and encoding, in another time zone."""
    command = [sys.executable, "-m", "tests.support.rebuild", str(usage), str(folder)]
    subprocess.run(command, cwd=_CHECKOUT, env={**os.environ, **_OTHERWISE}, check=True)
