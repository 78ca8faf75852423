"""Folders and files: our own ``.dgbudget``, network file systems, and which files may be opened."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

OURS = ".dgbudget"


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; a ``.dgbudget`` among them gets its .gitignore. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for parent in (folder, *folder.parents):
        if parent.name == OURS and not (parent / ".gitignore").exists():
            (parent / ".gitignore").write_text("*\n", encoding="utf-8")


_NETWORK_FILE_SYSTEMS = {"afs", "cifs", "nfs", "nfs4", "smb3", "smbfs"}
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(folder: Path) -> str | None:
    """Return the kind of network file system that a folder is on; None for a local disk, or when it is not known."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return None
    resolved = folder.resolve()
    # "36 35 98:0 /root /mount/point options - type source": proc(5)
    kinds = {Path(fields[4].replace(r"\040", " ")): fields[fields.index("-") + 1] for fields in mounts if "-" in fields}
    kind = next((kinds[place] for place in (resolved, *resolved.parents) if place in kinds), None)
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def require_file(path: Path) -> None:
    """Raise OSError unless this is a regular file: opening a FIFO or a device may block for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
