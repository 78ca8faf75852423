"""Folders and files: our own ``.dgbudget``, what a ledger's folder needs, and which files may be opened."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

OURS = ".dgbudget"

# Real files, also where a test has a file system of its own: pyfakefs replaces the functions in modules, no partials.
open_file = partial(open)
remove_file = partial(os.remove)
file_exists = partial(os.path.exists)
_make_folders = partial(os.makedirs, exist_ok=True)
_make_folder = partial(os.mkdir)
_remove_folder = partial(os.rmdir)
_current_folder = partial(os.getcwd)
_status = partial(os.stat)
_status_of_itself = partial(os.lstat)


def read_text(path: Path, errors: str = "strict") -> str:
    """Return what a real file holds. Raises OSError, UnicodeDecodeError."""
    with open_file(path, encoding="utf-8", errors=errors) as file:
        text: str = file.read()
    return text


def existing_folder() -> str:
    """Return the current folder; where that is gone, the root: Python 3.13.0 does not start in none."""
    try:
        return _current_folder()
    except FileNotFoundError:
        return os.sep


def make_folder(folder: Path) -> None:
    """Create a real folder and its parents; a ``.dgbudget`` among them gets its .gitignore. Raises OSError."""
    _make_folders(folder)
    _refuse_taken(folder)
    for parent in (folder, *folder.parents):
        if parent.name == OURS:
            _refuse_taken(parent)
            if not file_exists(parent / ".gitignore"):
                with open_file(parent / ".gitignore", "w", encoding="utf-8") as ignored:
                    ignored.write("*\n")


def shown_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder that it is in; any other as it is."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def require_writable(folder: Path) -> None:
    """Create a real folder, and another in it, for a moment; one that is there stays. Raises OSError."""
    is_new = not file_exists(folder)
    make_folder(folder)
    probe = folder / f".probe-{os.urandom(8).hex()}"
    _make_folder(probe)
    _remove_folder(probe)
    if is_new:
        with contextlib.suppress(OSError):  # another worker writes there by now
            _remove_folder(folder)


def make_private_folder(folder: Path) -> None:
    """Create a real folder that only this user can enter; one that is there must be such a one. Raises OSError."""
    try:
        _make_folder(folder, 0o700)
    except FileExistsError:
        found = _status_of_itself(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise


def _refuse_taken(folder: Path) -> None:
    """In a place like /tmp, another user may have made the folder, or a link, before we did."""
    place, found = _status(folder.parent).st_mode, _status_of_itself(folder)
    all_users_share = place & stat.S_ISVTX and place & stat.S_IWOTH
    if all_users_share and found.st_uid != 0 and found.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, f"another user has made it in {folder.parent}, which all users share")


# Other machines, or the host of this one, write there as well, and their locks and memory are not ours.
_SHARED_FILE_SYSTEMS = {
    *("afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"),
    *("9p", "fakeowner", "fuse.grpcfuse", "fuse.osxfs", "fuse.vmhgfs-fuse", "prl_fs", "vboxsf", "virtiofs", "vmhgfs"),
}
_MOUNTS = Path("/proc/self/mountinfo")


def why_no_ledger(folder: Path) -> str | None:
    """Return what a folder lacks that a ledger needs; None when it lacks nothing. Raises OSError where none can be."""
    if (kind := shared_file_system(folder)) is not None:
        return f"it is on a file system that other machines or a host share ({kind}), whose locks can't be relied on"
    with TemporaryDirectory(prefix="probe-", dir=folder, ignore_cleanup_errors=True) as probe:
        path = Path(probe) / "file"
        path.write_bytes(bytes(4096))
        with path.open("r+b") as one, path.open("r+b") as other:
            failures = (_failure(lacks, partial(works, one, other, path)) for lacks, works in _NEEDS.items())
            return next((failure for failure in failures if failure is not None), None)


def shared_file_system(folder: Path) -> str | None:
    """Return the kind of shared file system that a folder is on; None for a local disk, or when it is not known."""
    kind = file_system(folder)
    return kind if kind in _SHARED_FILE_SYSTEMS else None


def file_system(folder: Path) -> str | None:
    """Return the kind of file system that a folder is on, as the system calls it; None when it is not known."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return None
    resolved = folder.resolve()
    # "36 35 98:0 /root /mount/point options - type source": proc(5)
    kinds = {Path(fields[4].replace(r"\040", " ")): fields[fields.index("-") + 1] for fields in mounts if "-" in fields}
    return next((kinds[place] for place in (resolved, *resolved.parents) if place in kinds), None)


def _failure(lacks: str, works: Callable[[], bool]) -> str | None:
    try:
        return None if works() else lacks
    except OSError as error:
        return f"{lacks} ({error.strerror})"


def _is_the_same_file(one: BinaryIO, other: BinaryIO, path: Path) -> bool:
    return os.fstat(one.fileno()).st_ino == os.fstat(other.fileno()).st_ino == path.stat().st_ino


def _flock_excludes(one: BinaryIO, other: BinaryIO, path: Path) -> bool:
    """The lock of a run id."""
    import fcntl  # which Windows lacks, where there is no ledger

    fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    excludes = _is_refused(lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
    fcntl.flock(one, fcntl.LOCK_UN)
    return excludes


def _posix_lock_excludes(one: BinaryIO, other: BinaryIO, path: Path) -> bool:
    """SQLite's locks. They exclude other processes, and within one process Linux's locks of open files."""
    import fcntl

    fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return True
    whole_file = struct.pack("hhlli", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    return _is_refused(lambda: fcntl.fcntl(other, fcntl.F_OFD_SETLK, whole_file))


def _is_refused(lock: Callable[[], object]) -> bool:
    try:
        lock()
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: POSIX allows both
        return True
    return False


def _memory_is_shared(one: BinaryIO, other: BinaryIO, path: Path) -> bool:
    """SQLite's write-ahead log has its index in memory that all of its users map."""
    from mmap import mmap

    with mmap(one.fileno(), 4096) as written, mmap(other.fileno(), 4096) as seen:
        written[:6] = b"shared"
        return seen[:6] == b"shared"


def _rename_replaces(one: BinaryIO, other: BinaryIO, path: Path) -> bool:
    """The report takes its place in one step, while others may read the earlier one."""
    new = path.with_suffix(".new")
    new.write_bytes(b"new")
    new.replace(path)
    return path.read_bytes() == b"new" and not new.exists()


_NEEDS: dict[str, Callable[[BinaryIO, BinaryIO, Path], bool]] = {
    "one file has two identities there": _is_the_same_file,
    "flock locks don't work there": _flock_excludes,
    "POSIX locks don't work there": _posix_lock_excludes,
    "memory can't be shared through a file there": _memory_is_shared,
    "a file can't be replaced while it is open there": _rename_replaces,
}


def require_file(path: Path) -> None:
    """Raise OSError unless this is a regular file: opening a FIFO or a device may block for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
