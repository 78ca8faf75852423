"""Run a command, and write the most memory that it had resident, in KiB, to the file named before it.

A process's peak begins with what the process that forked it had resident, and exec keeps that: it has to
be this small one that starts the command, not a large one that measures.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path


def main() -> int:
    into, *command = sys.argv[1:]
    status = subprocess.call(command)
    Path(into).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
