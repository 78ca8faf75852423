"""How many files the gateway may hold open, and what it does about that."""

from __future__ import annotations

import contextlib
import errno
import resource

_MOST_FILES = 65_536
# What a gateway with its emulator, its ledger, one owner and one session holds open, and a little more.
_LEAST_FILES = 24


def open_files() -> int:
    """Return how many files this process may hold open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def lacks_files(error: BaseException) -> bool:
    """Return whether an error means that no file descriptor is left."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


def no_files_left() -> str:
    """Return what that means, and what to do."""
    return (
        f"the gateway may hold {open_files()} files open, and all are in use: raise the limit (ulimit -n), "
        "or lower --dg-max-sessions"
    )


def allow_many_files() -> None:
    """Every session takes three, with its recording, or five with audio, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def too_few_files() -> str | None:
    """Return what is said where not even one session is possible; None where one is."""
    may_hold = open_files()
    if not 0 <= may_hold < _LEAST_FILES:
        return None
    return (
        f"the gateway may hold {may_hold} files open, and needs {_LEAST_FILES} at least, "
        "and three for each session more: raise the limit (ulimit -n)"
    )
