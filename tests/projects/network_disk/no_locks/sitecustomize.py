"""The file system that the project is on has no flock, as some that a host shares with its machines."""

import errno
import fcntl
from pathlib import Path
from typing import Any

_flock = fcntl.flock
_HERE = Path(__file__).parent


def flock(file: Any, operation: int) -> None:
    descriptor = file if isinstance(file, int) else file.fileno()
    if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(_HERE):
        raise OSError(errno.ENOTSUP, "Operation not supported")
    _flock(descriptor, operation)


fcntl.flock = flock
