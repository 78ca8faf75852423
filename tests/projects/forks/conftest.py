"""A child that outlives the test: CHILD says how it is made; its process id is in the file ``child``."""

import ctypes
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SECONDS = 30
_kept: list[object] = []


@pytest.fixture
def begin_child() -> Callable[[], None]:
    """Makes it, and returns in its parent."""
    return {
        "fork": fork,
        "multiprocessing": process,
        "pool": pool,
        "fork by C, of which Python does not know": fork_by_c,
        "subprocess": program,
    }[os.environ["CHILD"]]


@pytest.fixture
def child_pid() -> Callable[[], int]:
    """Waits for it and returns its process id."""
    return noted


def fork() -> None:
    if os.fork() == 0:
        live()
        os._exit(0)


def process() -> None:
    multiprocessing.get_context("fork").Process(target=live, daemon=False).start()


def pool() -> None:
    pool = multiprocessing.get_context("fork").Pool(1)
    note(pool.apply(os.getpid))
    pool.apply_async(time.sleep, (SECONDS,))
    _kept.append(pool)


def fork_by_c() -> None:
    if ctypes.PyDLL(None).fork() == 0:
        live()
        os._exit(0)


def program() -> None:
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({SECONDS})"], close_fds=False)
    note(child.pid)
    _kept.append(child)


def live() -> None:
    note(os.getpid())
    time.sleep(SECONDS)


def note(pid: int) -> None:
    Path("child").write_text(str(pid), encoding="ascii")


def noted() -> int:
    while not Path("child").exists() or not Path("child").read_text(encoding="ascii"):
        time.sleep(0.01)
    return int(Path("child").read_text(encoding="ascii"))
