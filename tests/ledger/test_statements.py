"""What comparisons with the statement have come to: added, never edited, and read by later runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.statements import StatementRecords, last_reconciliation
from pytest_dgbudget.rules.statement_lag import LAST_RUNS, StatementLag
from tests.support.ledger import leased, open_ledger

from .conftest import Address

PENDING = {"verdict": "pending", "checked_at": None}
RECONCILED = {"verdict": "reconciled", "checked_at": "2026-11-30T12:00:00.000Z"}


@pytest.fixture
def orphaned(address: Address, connection: Connection) -> Connection:
    """Of a ledger with one run, whose one lease was orphaned."""
    enter(address, "run", dials=True)
    open_ledger(address, id="later", run="later").close()  # sweeps
    return connection


def enter(address: Address, run: str, *documents: dict[str, Any], dials: bool = False, target: str = "live") -> None:
    ledger = open_ledger(address, id=f"invocation of {run}", run=run, target=target, live=frozenset({"run"}))
    if dials:
        ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", 10_000)))
    for document in documents:
        ledger.record_reconciliation(document)
    ledger.close()


def lag(project: str | None, pending: float | None, settled: float | None) -> dict[str, Any]:
    figures = {"pending_seconds": pending, "settled_seconds": settled}
    return {**RECONCILED, "project": project, "lag": figures}


def rows(connection: Connection, table: str) -> list[Mapping[str, Any]]:
    """In the order in which they were inserted, as it happens in tables as small as these."""
    return list(connection.rows(f"SELECT * FROM {table}", {}))


def test_results_are_added_and_what_was_there_stays(orphaned: Connection) -> None:
    (lease,) = LedgerReader(orphaned).facts("run").leases
    records = StatementRecords(orphaned)
    records.record("run", PENDING, {})
    before = {
        table: rows(orphaned, table) for table in ("reconciliation", "stated", "closed_sum", "lease", "lease_end")
    }
    records.record("run", RECONCILED, {lease.id: 1200})
    for table, known in before.items():
        assert rows(orphaned, table)[: len(known)] == known
    facts = LedgerReader(orphaned).facts("run")
    assert (facts.reconciliation, facts.leases[0].charged_ms) == (RECONCILED, 1200)
    assert len(rows(orphaned, "reconciliation")) == len(before["reconciliation"]) + 1


def test_a_result_that_can_not_be_recorded_whole_is_not_recorded(orphaned: Connection) -> None:
    (lease,) = LedgerReader(orphaned).facts("run").leases
    orphaned.execute("ALTER TABLE reconciliation RENAME TO gone", {})
    before = rows(orphaned, "closed_sum")
    with pytest.raises(LedgerError):
        StatementRecords(orphaned).record("run", RECONCILED, {lease.id: 1200})
    assert (rows(orphaned, "stated"), rows(orphaned, "closed_sum")) == ([], before)


def test_who_comes_second_records_nothing(address: Address, orphaned: Connection) -> None:
    records = StatementRecords(orphaned)
    records.record("run", PENDING, {})
    known = last_reconciliation(orphaned, "run")
    with closing(open_connection(address, None, durable=False)) as other:
        assert StatementRecords(other).record_unless_changed("run", known, RECONCILED, {})
    assert not records.record_unless_changed("run", known, PENDING, {})
    assert last_reconciliation(orphaned, "run") == RECONCILED


def test_facts_with_a_statement_are_those_that_are_read_after_it(orphaned: Connection) -> None:
    reader = LedgerReader(orphaned)
    before = reader.facts("run")
    stated_ms = {before.leases[0].id: 1200}
    StatementRecords(orphaned).record("run", RECONCILED, stated_ms)
    assert before.with_statement(RECONCILED, stated_ms) == reader.facts("run")


def test_runs_are_pending_whose_last_result_is_or_whose_gateway_left_none(
    address: Address, connection: Connection
) -> None:
    enter(address, "settled", PENDING, RECONCILED, dials=True)
    enter(address, "pending", RECONCILED, PENDING, dials=True)
    enter(address, "killed", dials=True)
    enter(address, "unused")
    reader = LedgerReader(connection)
    assert reader.pending_runs() == ["pending", "killed"]
    assert reader.run_ids() == ["unused", "killed", "pending", "settled"]


def test_lags_are_those_of_other_runs_of_the_target_by_project(address: Address, connection: Connection) -> None:
    enter(address, "one", lag("p", 1.5, None))
    enter(address, "two", lag("p", None, 2.0), lag("p", 0.5, 3.0))
    enter(address, "elsewhere", lag("q", 4.0, None))
    enter(address, "emulated", lag("p", 5.0, None), target="emulator")
    enter(address, "not seen", {**RECONCILED, "project": "p", "lag": None})
    enter(address, "of an earlier version", RECONCILED)
    enter(address, "this", lag("p", 6.0, None))
    assert LedgerReader(connection).lags("live", besides="this") == {
        "q": [StatementLag(pending_ms=4000)],
        "p": [StatementLag(pending_ms=500, settled_ms=3000), StatementLag(pending_ms=1500)],
    }


def test_only_the_last_runs_say_how_long_it_takes(address: Address, connection: Connection) -> None:
    for number in range(LAST_RUNS + 1):
        enter(address, f"run-{number:02}", lag("p", number, None))
    connection.execute("UPDATE run SET at = '2026-01-01T00:00:00.000Z' WHERE id = 'run-20'", {})
    (lags,) = LedgerReader(connection).lags("live", besides="run-10").values()
    assert sorted((each.pending_ms or 0) // 1000 for each in lags) == [n for n in range(20) if n != 10]
