"""Run pytest twice in this process; write what stays after each."""

import json
import os
import threading
from pathlib import Path

import pytest


def descriptors() -> list[str]:
    return [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]


# rerunfailures leaves a socket of its own open.
statuses, left = [], []
for number in (1, 2):
    statuses.append(int(pytest.main(["-p", "no:rerunfailures", "--dg-budget=5m", f"--dg-report-dir=report-{number}"])))
    names = [thread.name for thread in threading.enumerate()]
    left.append(
        {
            "threads": [name for name in names if name.startswith("dgbudget")],
            "sockets": [each for each in descriptors() if each.startswith("socket")],
            "environ": [name for name in os.environ if name.startswith("DGBUDGET")],
        }
    )
Path("twice.json").write_text(json.dumps({"statuses": statuses, "left": left}), encoding="utf-8")
