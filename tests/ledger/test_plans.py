"""What is looked up is found by an index: sessions of earlier runs cost a new one nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_dgbudget.ledger import past_sql, period_sql, sql
from tests.support.ledger import open_ledger

STATEMENTS = {
    name: value
    for name, value in (vars(sql) | vars(past_sql) | vars(period_sql)).items()
    if not name.startswith("_") and isinstance(value, str) and re.match(r"SELECT|INSERT", value)
}


# What is asked of all runs while no session waits for it: by a command, or before a run begins.
OF_ALL_RUNS = {"BILLED_RUN", "RUN_IDS", "PENDING_RUNS", "ALL_RUNS", "KEYS_OF_ALL_RUNS"}


@pytest.fixture(
    params=[
        "new",
        "version-1.sql",
        "version-2.sql",
        "version-3.sql",
        "version-4.sql",
        "version-5.sql",
        "version-6.sql",
        "version-7.sql",
    ]
)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger that was made, or upgraded, by this version."""
    path = tmp_path / "ledger.db"
    if request.param != "new":
        with closing(sqlite3.connect(path)) as earlier:
            earlier.executescript((Path(__file__).parent / request.param).read_text(encoding="utf-8"))
    open_ledger(path, id="later").close()
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def test_every_statement_is_looked_at() -> None:
    sums = {
        "RUN_SUMS",
        "TEST_SUMS",
        "CLOSED_SUM",
        "CLOSED_DAYS",
        "DAY_SUMS",
        "PATH_SUMS",
        "INSERT_CLOSED_SUM",
        "CHARGE_OF_LEASE",
    }
    others = {
        "OPEN_LEASES",
        "DIALS_OF_LEASE",
        "SESSIONS",
        "TURNS",
        "VENDOR_LATENCIES",
        "VENDOR_LATENCIES_OF_ATTEMPT",
        "LIVE_PAST",
        "CHARGES_BY_TEST",
        "INSERT_TURN",
        "INSERT_VENDOR_LATENCY",
        "INSERT_WAIT",
        "INSERT_LEASE",
        "END_INVOCATION",
    }
    assert sums | others <= set(STATEMENTS)


def test_no_statement_reads_a_whole_table(opened: sqlite3.Connection) -> None:
    """SQLite may also read one to make an index for one statement, which it calls automatic."""
    found = {}
    for name, statement in STATEMENTS.items():
        values = dict.fromkeys(re.findall(r":(\w+)", statement))
        plan = [row[3] for row in opened.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        if whole := [step for step in plan if reads_a_whole_table(step) and not goes_through_runs(name, step)]:
            found[name] = whole
    assert found == {}


def goes_through_runs(name: str, step: str) -> bool:
    if name == "WAITERS":  # few wait at once, and who no longer does is removed
        return step == "SCAN waiter"
    return name in OF_ALL_RUNS and step in {"SCAN run USING INDEX run_by_time", "SCAN run_key"}


def reads_a_whole_table(step: str) -> bool:
    """Hardly any usage supersedes another: those that supersede none are nearly all.

    ``replayed`` is no table: it has what two parts of the statement have found.
    """
    of_none = step.startswith("SEARCH usage") and "(supersedes=?)" in step
    return of_none or "AUTOMATIC" in step or ("SCAN" in step and step not in {"SCAN CONSTANT ROW", "SCAN replayed"})
