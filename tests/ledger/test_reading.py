"""Reading a ledger without an invocation of one's own; a column finds its field by name, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import Connection, Rows
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.model import Overrun
from tests.support.ledger import leased, usage


def reversing(
    rows: Callable[[Connection, str, Mapping[str, Any]], Rows],
) -> Callable[[Connection, str, Mapping[str, Any]], Rows]:
    """Select the columns of every statement the other way round."""

    def reversed_rows(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> Rows:
        found = rows(connection, sql, parameters)
        if not found or not sql.startswith("SELECT") or "sqlite_master" in sql:
            return found
        names = list(found[0])[::-1]
        reordered = rows(connection, f"SELECT {', '.join(names)} FROM ({sql}) AS found", parameters)
        assert list(reordered[0]) == names
        return reordered

    return reversed_rows


@pytest.fixture
def reversed_columns(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(type(connection), "rows", reversing(type(connection).rows))
    return connection


@pytest.fixture
def attempt(ledger: Ledger) -> str:
    """An attempt to which everything has happened."""
    attempt = ledger.begin_attempt("t", "gw0", 10_000)
    lease = leased(ledger, attempt)
    dial = ledger.record_dial(lease)
    ledger.record_welcome(dial, "request", 5)
    ledger.record_usage(usage(dial, 2000, closed_by="test-budget"))
    ledger.settle(lease, 2000)
    ledger.record_wait("w", attempt, 1500, "run")
    refusal = Overrun(kind="refused", scope="run", used=1, allowed=2)
    ledger.record_refusal("r", attempt, refusal, tolerated=True)
    ledger.record_outcome(attempt.id, "failed")
    ledger.record_reconciliation({"verdict": "pending"}, {lease.id: 1900})
    ledger.record_reconciliation({"verdict": "reconciled"})
    ledger.end_invocation(1)
    leased(ledger, ledger.begin_attempt("other", "", 20_000))
    return attempt.id


def test_a_run_is_read_without_an_invocation(ledger: Ledger, attempt: str, connection: Connection) -> None:
    reader = LedgerReader(connection)
    assert reader.facts("run") == ledger.facts()
    assert reader.known_attempt(attempt) == ledger.known_attempt(attempt)


def test_what_happened_to_an_attempt_is_known(ledger: Ledger, attempt: str) -> None:
    known = ledger.known_attempt(attempt)
    assert known is not None
    assert (known.attempt.nodeid, known.attempt.worker, known.attempt.budget_ms) == ("t", "gw0", 10_000)
    assert (known.settled_ms, known.orphaned_ms) == (2000, None)
    assert [(session.ms, session.closed_by) for session in known.sessions] == [(2000, "test-budget")]
    assert known.overruns == [
        Overrun(kind="cut", scope="test", used=2000, allowed=10_000),
        Overrun(kind="refused", scope="run", used=1, allowed=2),
    ]


@pytest.mark.usefixtures("ledger")
def test_a_run_that_the_ledger_does_not_have_is_named(connection: Connection) -> None:
    with pytest.raises(LedgerError, match="no run 'other'"):
        LedgerReader(connection).facts("other")
    assert LedgerReader(connection).known_attempt("other") is None


def test_the_order_of_columns_means_nothing_to_facts(
    ledger: Ledger, attempt: str, reversed_columns: Connection
) -> None:
    reader = LedgerReader(reversed_columns)
    assert reader.facts("run") == ledger.facts()
    assert reader.known_attempt(attempt) == ledger.known_attempt(attempt)
