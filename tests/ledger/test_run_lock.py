"""Who serves a run: one gateway, known to all, gone with its process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.run_lock import RunLock, dead_locks, is_live, live_runs, one_of, remove_dead_lock


def test_a_run_is_live_while_its_lock_is_held(tmp_path: Path) -> None:
    assert not is_live(tmp_path, "run")
    lock = RunLock(tmp_path, "run")
    assert is_live(tmp_path, "run")
    assert not is_live(tmp_path, "other")
    lock.release()
    assert not is_live(tmp_path, "run")


def test_a_second_gateway_of_a_run_is_refused(tmp_path: Path) -> None:
    lock = RunLock(tmp_path, "run")
    with pytest.raises(LedgerError, match="--dg-run-id") as refused:
        RunLock(tmp_path, "run")
    assert "'run'" in str(refused.value)
    assert is_live(tmp_path, "run")
    lock.release()


def test_a_lock_that_was_released_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        lock = RunLock(tmp_path, "run")
        lock.release()
        lock.release()


def test_gateways_that_serve_a_run_together_have_a_lock_each(tmp_path: Path) -> None:
    first, second = (RunLock(tmp_path, one_of("run", name)) for name in ("a", "b"))
    assert live_runs(tmp_path) == ["run", "run"]
    first.release()
    assert is_live(tmp_path, "run")
    assert not is_live(tmp_path, "ru")
    assert not is_live(tmp_path, one_of("run", "a"))
    second.release()
    assert not is_live(tmp_path, "run")


@pytest.mark.parametrize("name", ["run", one_of("run", "a")])
def test_a_lock_that_was_left_names_its_run_and_can_be_removed(tmp_path: Path, name: str) -> None:
    left = tmp_path / f"run-{name}.lock"
    left.touch()
    assert list(dead_locks(tmp_path)) == [("run", left)]
    remove_dead_lock(left)
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_behind(tmp_path: Path) -> None:
    RunLock(tmp_path, "run").release()
    assert not is_live(tmp_path, "run")
    assert list(tmp_path.iterdir()) == []


def test_asking_changes_nothing(tmp_path: Path) -> None:
    lock = RunLock(tmp_path, "run")
    before = [(path, path.stat().st_ino) for path in tmp_path.iterdir()]
    assert is_live(tmp_path, "run")
    assert [(path, path.stat().st_ino) for path in tmp_path.iterdir()] == before
    lock.release()


def test_who_asks_keeps_no_gateway_from_serving_the_run(tmp_path: Path) -> None:
    """Those that wait for what others hold ask again and again."""
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.is_set():
            is_live(tmp_path, "run")

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(300):
        RunLock(tmp_path, "run").release()
    stopped.set()
    asking.join()
    assert list(tmp_path.iterdir()) == [], "who asks makes no file"


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from pytest_dgbudget.ledger.run_lock import RunLock; "
        "lock = RunLock(pathlib.Path(sys.argv[1]), 'run'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=30)
    assert list(tmp_path.iterdir()) != []
    assert not is_live(tmp_path, "run")
    RunLock(tmp_path, "run").release()


def test_its_folder_is_made(tmp_path: Path) -> None:
    RunLock(tmp_path / ".dgbudget", "run").release()
    assert (tmp_path / ".dgbudget/.gitignore").exists()


def test_where_no_lock_can_be_it_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        RunLock(tmp_path / "file", "run")


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run-run.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        RunLock(tmp_path, "run")
    assert not is_live(tmp_path, "run")
    assert not (tmp_path / "victim").exists()
