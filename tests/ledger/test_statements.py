"""What comparisons with the statement have come to: added, never edited, and read by later runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.statements import StatementRecords, last_reconciliation
from pytest_dgbudget.rules.statement_lag import LAST_RUNS, StatementLag
from tests.support.ledger import leased, open_ledger

PENDING = {"verdict": "pending", "checked_at": None}
RECONCILED = {"verdict": "reconciled", "checked_at": "2026-11-30T12:00:00.000Z"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def connection(path: Path) -> Iterator[SqliteConnection]:
    """Of a ledger with one run, whose one lease was orphaned."""
    enter(path, "run", dials=True)
    open_ledger(path, id="later", run="later").close()  # sweeps
    with closing(SqliteConnection(path, durable=False)) as connection:
        yield connection


def enter(path: Path, run: str, *documents: dict[str, Any], dials: bool = False, target: str = "live") -> None:
    ledger = open_ledger(path, id=f"invocation of {run}", run=run, target=target, live=frozenset({"run"}))
    if dials:
        ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", 10_000)))
    for document in documents:
        ledger.record_reconciliation(document)
    ledger.close()


def lag(project: str | None, pending: float | None, settled: float | None) -> dict[str, Any]:
    figures = {"pending_seconds": pending, "settled_seconds": settled}
    return {**RECONCILED, "project": project, "lag": figures}


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as ledger:
        return ledger.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()


def test_results_are_added_and_what_was_there_stays(path: Path, connection: SqliteConnection) -> None:
    (lease,) = LedgerReader(connection).facts("run").leases
    records = StatementRecords(connection)
    records.record("run", PENDING, {})
    before = {table: rows(path, table) for table in ("reconciliation", "stated", "closed_sum", "lease", "lease_end")}
    records.record("run", RECONCILED, {lease.id: 1200})
    for table, known in before.items():
        assert rows(path, table)[: len(known)] == known
    facts = LedgerReader(connection).facts("run")
    assert (facts.reconciliation, facts.leases[0].charged_ms) == (RECONCILED, 1200)
    assert len(rows(path, "reconciliation")) == len(before["reconciliation"]) + 1


def test_a_result_that_can_not_be_recorded_whole_is_not_recorded(path: Path, connection: SqliteConnection) -> None:
    (lease,) = LedgerReader(connection).facts("run").leases
    connection.execute("CREATE TRIGGER no BEFORE INSERT ON reconciliation BEGIN SELECT RAISE(ABORT, 'no'); END", {})
    before = rows(path, "closed_sum")
    with pytest.raises(LedgerError):
        StatementRecords(connection).record("run", RECONCILED, {lease.id: 1200})
    assert (rows(path, "stated"), rows(path, "closed_sum")) == ([], before)


def test_who_comes_second_records_nothing(path: Path, connection: SqliteConnection) -> None:
    records = StatementRecords(connection)
    records.record("run", PENDING, {})
    known = last_reconciliation(connection, "run")
    with closing(SqliteConnection(path, durable=False)) as other:
        assert StatementRecords(other).record_unless_changed("run", known, RECONCILED, {})
    assert not records.record_unless_changed("run", known, PENDING, {})
    assert last_reconciliation(connection, "run") == RECONCILED


def test_facts_with_a_statement_are_those_that_are_read_after_it(connection: SqliteConnection) -> None:
    reader = LedgerReader(connection)
    before = reader.facts("run")
    stated_ms = {before.leases[0].id: 1200}
    StatementRecords(connection).record("run", RECONCILED, stated_ms)
    assert before.with_statement(RECONCILED, stated_ms) == reader.facts("run")


def test_runs_are_pending_whose_last_result_is_or_whose_gateway_left_none(path: Path) -> None:
    enter(path, "settled", PENDING, RECONCILED, dials=True)
    enter(path, "pending", RECONCILED, PENDING, dials=True)
    enter(path, "killed", dials=True)
    enter(path, "unused")
    with closing(SqliteConnection(path, durable=False)) as connection:
        reader = LedgerReader(connection)
        assert reader.pending_runs() == ["pending", "killed"]
        assert reader.run_ids() == ["unused", "killed", "pending", "settled"]


def test_lags_are_those_of_other_runs_of_the_target_by_project(path: Path) -> None:
    enter(path, "one", lag("p", 1.5, None))
    enter(path, "two", lag("p", None, 2.0), lag("p", 0.5, 3.0))
    enter(path, "elsewhere", lag("q", 4.0, None))
    enter(path, "emulated", lag("p", 5.0, None), target="emulator")
    enter(path, "not seen", {**RECONCILED, "project": "p", "lag": None})
    enter(path, "of an earlier version", RECONCILED)
    enter(path, "this", lag("p", 6.0, None))
    with closing(SqliteConnection(path, durable=False)) as connection:
        assert LedgerReader(connection).lags("live", besides="this") == {
            "q": [StatementLag(pending_ms=4000)],
            "p": [StatementLag(pending_ms=500, settled_ms=3000), StatementLag(pending_ms=1500)],
        }


def test_only_the_last_runs_say_how_long_it_takes(path: Path) -> None:
    for number in range(LAST_RUNS + 1):
        enter(path, f"run-{number:02}", lag("p", number, None))
    with closing(SqliteConnection(path, durable=False)) as connection:
        connection.execute("UPDATE run SET at = '2026-01-01T00:00:00.000Z' WHERE id = 'run-20'", {})
        (lags,) = LedgerReader(connection).lags("live", besides="run-10").values()
    assert sorted((each.pending_ms or 0) // 1000 for each in lags) == [n for n in range(20) if n != 10]
