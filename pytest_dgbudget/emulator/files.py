"""Files that a user names: only regular ones are opened."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def require_file(path: Path) -> None:
    """Raise OSError unless this is a regular file: opening a FIFO or a device may block for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
