"""What a run reads does not grow with what was before it: counted in steps of SQLite, the same on any machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.filled_ledgers import Past, fill
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from tests.support.ledger import leased, open_ledger, usage

NOTHING = Past(runs=0, invocations=0, sessions=0)
MANY_RUNS = Past(runs=100, invocations=1, sessions=5)
ONE_INVOCATION = Past(runs=1, invocations=1, sessions=5)
MANY_INVOCATIONS = Past(runs=1, invocations=100, sessions=5)


@pytest.fixture
def count_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count in every connection that is opened from now on; return how many steps there were since the last call."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def since() -> int:
        nonlocal steps
        counted, steps = steps, 0
        return counted

    connect = sqlite3.connect

    def connect_and_count(path: Path, isolation_level: None) -> sqlite3.Connection:
        connection = connect(path, isolation_level=isolation_level)
        connection.set_progress_handler(count, 1)
        return connection

    monkeypatch.setattr("pytest_dgbudget.ledger.sqlite.sqlite3.connect", connect_and_count)
    return since


def filled(folder: Path, past: Past) -> Path:
    path = folder / f"{past.runs}-{past.invocations}.db"
    fill(path, past)
    return path


def open_one(path: Path, run: str) -> Ledger:
    return open_ledger(path, run=run, id="now", target="live", budget_ms=10**12)


def spend(ledger: Ledger) -> None:
    lease = leased(ledger, ledger.begin_attempt("tests/test_it.py::test_0", "", 60_000))
    ledger.record_usage(usage(ledger.record_dial(lease)))
    ledger.settle(lease, 1000, 1)


def steps_of_run(path: Path, count_steps: Callable[[], int]) -> list[int]:
    count_steps()
    with closing(open_one(path, "new")) as ledger:
        opening = count_steps()
        spend(ledger)
        session = count_steps()
        ledger.facts()
        return [opening, session, count_steps()]


def test_a_run_reads_nothing_of_the_runs_before_it(tmp_path: Path, count_steps: Callable[[], int]) -> None:
    in_empty = steps_of_run(filled(tmp_path, NOTHING), count_steps)
    in_filled = steps_of_run(filled(tmp_path, MANY_RUNS), count_steps)
    assert all(after <= 1.1 * before for before, after in zip(in_empty, in_filled, strict=True)), (in_empty, in_filled)


def steps_of_next_invocation(path: Path, count_steps: Callable[[], int]) -> list[int]:
    count_steps()
    with closing(open_one(path, "run-0")) as ledger:
        opening = count_steps()
        spend(ledger)
        return [opening, count_steps()]


def test_an_invocation_reads_what_the_last_one_used_and_nothing_older(
    tmp_path: Path, count_steps: Callable[[], int]
) -> None:
    after_one = steps_of_next_invocation(filled(tmp_path, ONE_INVOCATION), count_steps)
    after_many = steps_of_next_invocation(filled(tmp_path, MANY_INVOCATIONS), count_steps)
    assert all(many <= 1.1 * one for one, many in zip(after_one, after_many, strict=True)), (after_one, after_many)


def test_a_filled_ledger_is_one_that_the_product_might_have_written(tmp_path: Path) -> None:
    path = filled(tmp_path, MANY_INVOCATIONS)
    with closing(open_one(path, "run-0")) as ledger:
        leases = ledger.facts().leases
        (scope,) = ledger.scopes(ledger.begin_attempt("t", "", None))
    assert scope.settled == sum(lease.charged_ms for lease in leases)
    with closing(SqliteConnection(path, durable=False)) as connection:
        last = connection.rows("SELECT ms, micro_usd, until FROM closed_sum ORDER BY until DESC LIMIT 1", {})
    assert last == [
        {
            "ms": scope.settled,
            "micro_usd": sum(lease.charged_micro_usd or 0 for lease in leases),
            "until": MANY_INVOCATIONS.all_sessions,
        }
    ]
