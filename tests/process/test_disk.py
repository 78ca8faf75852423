"""A ledger that can't be written: nothing is dialled, what is open closes, and what was recorded stays."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.ledger import ends_of_leases, locked, open_ledger, rows_of
from tests.support.processes import gateway_of, wait_until
from tests.support.project import ALONE_AND_UNDER_XDIST, PROJECTS, Project
from tests.support.slow import slow
from tests.support.vendor import Vendor


@pytest.fixture
def small_disk(project: Project) -> Iterator[Path]:
    """The ledger's folder on a disk of its own, of two megabytes."""
    folder = project.path / ".dgbudget"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"mounts a small disk, which needs root: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full_before_the_first_session_lets_nothing_be_dialled(
    project: Project, vendor: Vendor, small_disk: Path
) -> None:
    project.expects_log = True
    project.use("disk/test_opens.py")
    fill(small_disk)
    environ = {**vendor.environ, "TMPDIR": str(project.path)}
    result = project.run("--dg-budget=10m", "--dg-report-dir=report", env=environ)
    assert result.status == 1, result.output
    assert "LedgerError" in result.output
    assert not vendor.connections


def test_a_disk_that_fills_up_closes_what_is_open_and_lets_nothing_more_be_dialled(
    project: Project, vendor: Vendor, small_disk: Path
) -> None:
    project.expects_log = True
    project.use("disk/test_fills.py")
    options = ("--dg-budget=10m", "--dg-max-sessions=2", "--dg-report-dir=report", "--dg-reconcile=off")
    process = project.start(*options, env=vendor.environ)
    while not (project.path / "fill").exists():
        assert process.poll() is None
    fill(small_disk)
    (project.path / "full").touch()
    seen = vendor.wait_closed(2)
    assert process.poll() is None, "it was not the test that closed them"
    (project.path / "closed").touch()
    result = project.result(process)
    assert result.status == 1, result.output
    assert "LedgerError" in result.output
    recorded = rows_of(project.path, "SELECT ms FROM usage")
    assert recorded[0][0] is not None, "what was recorded before stays"
    assert rows_of(project.path, "PRAGMA integrity_check") == [("ok",)]
    assert len(rows_of(project.path, "SELECT id FROM dial")) >= len(seen), "nothing was dialled without a record"


@pytest.mark.slow
def test_files_that_can_grow_no_further_close_what_is_open_and_let_nothing_more_be_dialled(
    project: Project, vendor: Vendor
) -> None:
    """As on a full disk, which takes root to make. What nobody could record is charged in full."""
    project.expects_log = True
    project.reads_ledger = False  # the end of its lease could not be recorded: that is for the next run to do
    project.use_adversary("test_fills.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    opened = vendor.wait_closed(2)
    first = opened[0]
    assert first.closed_at is not None
    assert first.closed_at - project.noted("over") < 1
    assert result.usage["run"]["used_seconds"] == 60
    assert len(rows_of(project.path, "SELECT id FROM dial")) >= len(opened), "nothing was dialled without a record"


@pytest.mark.slow
def test_a_ledger_whose_end_is_torn_keeps_what_was_recorded_before(project: Project, vendor: Vendor) -> None:
    """The power fails while the last record is being written: half of it is on the disk."""
    project.expects_log = True
    project.use("disk/test_endless.py")
    arguments = ("--dg-budget=10m", "--dg-run-id=one", "--dg-reconcile=off")
    process = project.start(*arguments, env=vendor.environ)
    vendor.wait_open(2)
    wait_until(lambda: len(rows_of(project.path, "SELECT dial FROM welcome")) == 2)
    power_fails(process.pid)
    log = project.path / ".dgbudget/ledger.db-wal"
    os.truncate(log, log.stat().st_size - 2000)
    project.use("disk/test_one.py")
    result = project.run(*arguments, "test_one.py", env=vendor.environ)
    assert result.status == 0, result.output
    assert rows_of(project.path, "PRAGMA integrity_check") == [("ok",)]
    by_name = {test["nodeid"].rpartition("::")[2]: test["used_seconds"] for test in result.usage["tests"]}
    first, _, last = (seen.seconds for seen in vendor.wait_closed(3))
    assert by_name == {
        "test_first": pytest.approx(first, abs=1),
        "test_endless": 60,
        "test_one": pytest.approx(last, abs=1),
    }
    # The last record was the endless session's Welcome; that it was dialled had reached the disk before.
    assert [session["request_id"] for session in result.usage["sessions"]][1] is None


def test_a_ledger_that_is_damaged_is_refused_before_anything_is_dialled(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.reads_ledger = False
    project.use("disk/test_one.py")
    path = project.path / ".dgbudget/ledger.db"
    open_ledger(path).close()
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1, result.output
    assert "name another one with --dg-ledger" in result.output
    assert not vendor.connections


@pytest.fixture(params=[slow("no ledger yet"), "a ledger"])
def read_only(request: pytest.FixtureRequest, project: Project, small_disk: Path) -> Path:
    """The ledger's folder, without and with a ledger in it, on a disk that takes nothing more."""
    if request.param == "a ledger":
        open_ledger(small_disk / "ledger.db").close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


def test_a_live_run_refuses_a_ledger_that_can_only_be_read(project: Project, vendor: Vendor, read_only: Path) -> None:
    project.use("disk/test_one.py")
    environ = {**vendor.environ, "TMPDIR": str(project.path)}
    result = project.run("--dg-budget=10m", "--dg-report-dir=report", env=environ)
    assert result.status == 1, result.output
    assert "LedgerError" in result.output
    assert "--dg-ledger=sqlite:///PATH" in result.output
    assert not vendor.connections


@pytest.mark.slow
def test_an_emulated_run_takes_a_temporary_ledger_instead_and_says_so_once(project: Project, read_only: Path) -> None:
    project.use("disk/test_one.py")
    environ = {"TMPDIR": str(project.path)}
    result = project.run("--dg-target=emulator", "--dg-budget=10m", "--dg-report-dir=report", env=environ)
    assert result.status == 0, result.output
    assert result.output.count("can't be written, so this run's is") == 1


@pytest.mark.slow
def test_an_emulated_run_whose_disk_is_full_takes_a_temporary_ledger_as_well(
    project: Project, small_disk: Path
) -> None:
    project.use("disk/test_one.py")
    fill(small_disk)
    environ = {"TMPDIR": str(project.path)}
    result = project.run("--dg-target=emulator", "--dg-budget=10m", "--dg-report-dir=report", env=environ)
    assert result.status == 0, result.output
    assert result.output.count("can't be written, so this run's is") == 1


@pytest.mark.slow
def test_who_holds_the_ledger_and_dies_holds_it_no_longer(project: Project, vendor: Vendor) -> None:
    project.use("disk/test_one.py")
    ledger = project.path / ".dgbudget/ledger.db"
    open_ledger(ledger).close()
    command = [sys.executable, str(PROJECTS / "disk/holds_the_ledger.py"), str(ledger)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        process = project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
        gateway_of(process.pid)
        time.sleep(0.5)  # for it to wait
        assert not vendor.connections
        holder.kill()
    result = project.result(process)
    assert result.status == 0, result.output


def test_i1_nothing_is_dialled_that_the_ledger_does_not_have_already(project: Project) -> None:
    recorded: list[int] = []
    project.use("disk/test_five.py")

    def look_into_the_ledger() -> None:
        ((count,),) = rows_of(project.path, "SELECT COUNT(*) FROM dial JOIN lease ON lease.id = dial.lease")
        recorded.append(count)

    with Vendor(asked=look_into_the_ledger) as vendor:
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert recorded == [1, 2, 3, 4, 5]


def test_i1_while_nothing_can_be_recorded_nothing_is_dialled(project: Project, vendor: Vendor) -> None:
    project.use("disk/test_held.py")
    process = project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    wait_until((project.path / "hold").exists)
    with closing(sqlite3.connect(project.path / ".dgbudget/ledger.db", isolation_level=None, timeout=10)) as ledger:
        ledger.execute("BEGIN IMMEDIATE")
        (project.path / "held").touch()
        time.sleep(0.5)
        assert len(vendor.connections) == 1
        ledger.execute("ROLLBACK")
    result = project.result(process)
    assert result.status == 0, result.output
    assert len(vendor.connections) == 2


@pytest.mark.slow
def test_i1_what_can_not_be_recorded_in_time_is_never_dialled(project: Project, vendor: Vendor) -> None:
    """Somebody keeps the ledger to himself for longer than a write waits."""
    project.use("disk/test_locked.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert len(vendor.connections) == 2
    assert ends_of_leases(project.path) == ["settled", "settled"]


def power_fails(pytest_pid: int) -> None:
    """Nobody has time for anything: pytest is stopped before it can notice that its gateway is gone."""
    gateway = gateway_of(pytest_pid)
    os.kill(pytest_pid, signal.SIGSTOP)
    os.kill(gateway, signal.SIGKILL)
    os.kill(pytest_pid, signal.SIGKILL)


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


@pytest.mark.slow
def test_a_ledger_that_takes_long_to_open_is_waited_for(project: Project, vendor: Vendor) -> None:
    project.use("disk/slow_to_open", "disk/test_one.py")
    environ = {**vendor.environ, **project.importable, "OPENS_AFTER": "11"}
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", "test_one.py", env=environ)
    assert result.status == 0, result.output
    assert (result.usage["run"]["complete"], result.usage["run"]["verdict"]) == (True, "within")
    assert "died" not in result.output


@pytest.mark.slow
def test_a_ledger_that_does_not_open_in_time_is_named_and_the_run_reported(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.use("disk/slow_to_open", "disk/test_one.py")
    environ = {**vendor.environ, **project.importable, "OPENS_AFTER": "8", "OWNERS_WAIT": "3"}
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", "test_one.py", env=environ)
    assert result.status == 1, result.output
    assert "ledger.db did not open within 3 s; name one on a faster disk" in result.output
    assert (result.usage["run"]["complete"], result.usage["run"]["sessions"]) == (False, 0)
    assert vendor.billed() == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_i10_a_run_whose_ledger_another_process_holds_is_reported_as_itself(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.expects_log = True
    project.use("disk/test_one.py")
    arguments = ("--dg-budget=10m", "--dg-reconcile=off", workers)
    assert project.run(*arguments, "--dg-run-id=first", env=vendor.environ).status == 0
    with locked(project.path / ".dgbudget/ledger.db"):
        result = project.run(*arguments, "--dg-run-id=second", env=vendor.environ)
    assert result.status == 1, result.output
    assert "ledger.db is locked by another process, which did not release it within 10 s" in result.output
    run = result.usage["run"]
    assert (run["id"], run["complete"], run["verdict"], run["sessions"]) == ("second", False, "interrupted", 0)
    assert len(vendor.billed()) == 1


@pytest.mark.slow
def test_sessions_that_end_while_another_process_holds_the_ledger_are_recorded_later(
    project: Project, vendor: Vendor
) -> None:
    project.use("disk/test_records_late.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    run = result.usage["run"]
    assert (run["complete"], run["verdict"], run["at_risk_seconds"]) == (True, "within", 0)
    assert [session["closed_by"] for session in result.usage["sessions"]] == ["client", "client"]
    assert result.usage["notices"] == []
    assert ends_of_leases(project.path) == ["settled"]


@pytest.mark.slow
def test_i10_a_run_that_ends_while_another_process_holds_the_ledger_is_reported_and_charged_in_full(
    project: Project, vendor: Vendor
) -> None:
    project.use("disk/test_ends_locked.py", "disk/test_one.py")
    arguments = ("--dg-budget=10m", "--dg-reconcile=off")
    assert project.run(*arguments, "--dg-run-id=first", "test_one.py", env=vendor.environ).status == 0
    result = project.run(*arguments, "--dg-run-id=second", "test_ends_locked.py", env=vendor.environ)
    assert result.status == 0, result.output
    run = result.usage["run"]
    assert (run["id"], run["complete"], run["verdict"], run["used_seconds"]) == ("second", True, "within", 60)
    (notice,) = result.usage["notices"]
    assert "ledger.db is locked by another process, which did not release it within 10 s" in notice
    assert project.run(*arguments, "test_one.py", env=vendor.environ).status == 0
    assert ends_of_leases(project.path) == ["settled", "orphaned", "settled"]
