"""A ledger that can't be written: nothing is dialled, what is open closes, and what was recorded stays."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.conftest import Project
from tests.ledgers import rows_of
from tests.vendor import Vendor

OPENS = "def test_opens(voice_agent):\n    voice_agent.connect().__enter__()\n"
HOLDS_THE_LEDGER = """
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
ledger.execute("BEGIN IMMEDIATE")
print("held", flush=True)
input()
"""
FIVE_SESSIONS = """
import pytest

@pytest.mark.parametrize("n", range(5))
def test_one(n, voice_agent):
    with voice_agent.connect(): pass
"""
ONE_SESSION = "def test_one(voice_agent):\n    with voice_agent.connect(): pass\n"


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
    project.write("test_it.py", OPENS)
    fill(small_disk)
    result = project.run("--dg-budget=10m", "--dg-report-dir=report", env=vendor.environ)
    assert result.status == 1, result.output
    assert "LedgerError" in result.output
    assert not vendor.connections


def test_a_disk_that_fills_up_closes_what_is_open_and_lets_nothing_more_be_dialled(
    project: Project, vendor: Vendor, small_disk: Path
) -> None:
    project.expects_log = True
    project.write(
        "test_it.py",
        """
from pathlib import Path

def test_first(voice_agent):
    with voice_agent.connect(): pass

def test_fills(voice_agent):
    session = voice_agent.connect().__enter__()
    Path("fill").touch()
    while not Path("full").exists():
        pass
    session.close()
    for _ in range(50):
        try:
            voice_agent.connect().__enter__().close()
        except Exception:
            break
    voice_agent.connect().__enter__()
""",
    )
    process = project.start("--dg-budget=10m", "--dg-report-dir=report", "--dg-reconcile=off", env=vendor.environ)
    while not (project.path / "fill").exists():
        assert process.poll() is None
    fill(small_disk)
    (project.path / "full").touch()
    result = project.result(process)
    assert result.status == 1, result.output
    assert "LedgerError" in result.output
    seen = vendor.wait_closed(2)
    recorded = rows_of(project.path, "SELECT ms FROM usage")
    assert recorded[0][0] is not None, "what was recorded before stays"
    assert rows_of(project.path, "PRAGMA integrity_check") == [("ok",)]
    assert len(rows_of(project.path, "SELECT id FROM dial")) >= len(seen), "nothing was dialled without a record"


def test_a_ledger_whose_end_is_torn_keeps_what_was_recorded_before(project: Project, vendor: Vendor) -> None:
    """What SQLite itself makes of a write-ahead log that ends in the middle of a record."""
    project.write("test_it.py", ONE_SESSION)
    project.run("--dg-budget=10m", "--dg-run-id=one", "--dg-reconcile=off", env=vendor.environ)
    before = rows_of(project.path, "SELECT dial, ms FROM usage")
    log = project.path / ".dgbudget/ledger.db-wal"
    log.write_bytes(os.urandom(3000))
    result = project.run("--dg-budget=10m", "--dg-run-id=one", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    after = rows_of(project.path, "SELECT dial, ms FROM usage")
    assert set(before) < set(after)
    assert result.usage["run"]["used_seconds"] > sum(ms for _, ms in before) / 1000


def test_a_ledger_that_is_damaged_is_refused_before_anything_is_dialled(project: Project, vendor: Vendor) -> None:
    project.expects_log = True
    project.write("test_it.py", ONE_SESSION)
    project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    vendor.wait_closed(1)
    path = project.path / ".dgbudget/ledger.db"
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 1, result.output
    assert "name another one with --dg-ledger" in result.output
    assert len(vendor.connections) == 1


def test_who_holds_the_ledger_and_dies_holds_it_no_longer(project: Project, vendor: Vendor) -> None:
    project.write("test_it.py", ONE_SESSION)
    project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    command = [sys.executable, "-c", HOLDS_THE_LEDGER, str(project.path / ".dgbudget/ledger.db")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    timer = threading.Timer(1.5, holder.kill)
    timer.start()
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    holder.communicate()
    assert result.status == 0, result.output


def test_i1_nothing_is_dialled_that_the_ledger_does_not_have_already(project: Project) -> None:
    recorded: list[int] = []
    project.write("test_it.py", FIVE_SESSIONS)
    vendor = Vendor()
    process_request = vendor._process_request

    def look_into_the_ledger(connection: ServerConnection, request: Request) -> Response | None:
        ((count,),) = rows_of(project.path, "SELECT COUNT(*) FROM dial JOIN lease ON lease.id = dial.lease")
        recorded.append(count)
        return process_request(connection, request)

    vendor._process_request = look_into_the_ledger  # type: ignore[method-assign]
    with vendor:
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    assert recorded == [1, 2, 3, 4, 5]


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
