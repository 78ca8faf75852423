"""Files that a user names: what would be waited for is none."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def require_file(path: Path) -> None:
    """Raise OSError for what is no regular file: to open a FIFO or a device may take for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
