"""The report of an invocation that no gateway served, from a ledger that nobody has opened since an upgrade."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pytest_dgbudget.ledger import schema
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.report.document import FinishedRun
from pytest_dgbudget.report.unused_run import report_unused
from tests.support.facts import AT
from tests.support.gateway import run_config_for

VERSION_4 = Path(__file__).parents[1] / "ledger/version-4.sql"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of version 4 with two invocations of a run, ``run``."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_4.read_text(encoding="utf-8"))
    return path


def reported(ledger: Path, run: str) -> FinishedRun:
    given = {"dg_target": "emulator", "dg_run_id": run, "dg_ledger": f"sqlite:///{ledger}"}
    return report_unused(run_config_for("ws://127.0.0.1:9", ledger.parent, **given), AT, 0)


def version_of(ledger: Path) -> int:
    with closing(sqlite3.connect(ledger)) as connection:
        version: int = connection.execute("SELECT MAX(version) FROM schema").fetchone()[0]
        return version


def test_a_run_of_a_ledger_of_version_4_is_reported_and_the_ledger_upgraded(ledger: Path) -> None:
    finished = reported(ledger, "run")
    assert finished["notices"] == []
    document = finished["document"]
    assert document is not None
    assert [(entry["nodeid"], entry["used_seconds"]) for entry in document["tests"]] == [
        ("test_x.py::test", 2.0),
        ("test_x.py::test", 8.0),
    ]
    assert version_of(ledger) == schema.VERSION


def test_a_ledger_of_version_4_without_the_run_stays_as_it_is(ledger: Path) -> None:
    finished = reported(ledger, "other")
    assert finished["notices"] == []
    assert finished["document"] is not None
    assert version_of(ledger) == 4


def test_a_ledger_of_version_4_that_cannot_be_written_names_both_versions_and_what_to_do(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = SqliteConnection.__init__

    def read_only(connection: SqliteConnection, path: Path, *, durable: bool) -> None:
        begin(connection, path, durable=durable)
        connection.execute("PRAGMA query_only=ON", {})

    monkeypatch.setattr(SqliteConnection, "__init__", read_only)
    finished = reported(ledger, "run")
    assert finished["document"] is None
    (notice,) = finished["notices"]
    assert notice.startswith(f"no report: the ledger {ledger} has version 4,")
    assert f"to version {schema.VERSION}" in notice
    assert "make it writable, or open a session" in notice
    assert version_of(ledger) == 4
