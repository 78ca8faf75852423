"""Vacuum on every backend: what goes, what stays, and what goes on."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pytest_dgbudget.ledger import vacuum
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.vacuum import REMOVED, Removed, Vacuum
from pytest_dgbudget.rules.vacuum import KeptRun
from tests.ledger.conftest import Address
from tests.support.past import live_run, request_of, spend


@pytest.fixture(autouse=True)
def runs_are_old_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "_SHORTEST_AGE", timedelta(0))


def ended(address: Address, run: str, *seconds: float, verdict: str = "reconciled", **fields: Any) -> list[str]:
    with closing(live_run(address, run, **fields)) as ledger:
        dials = [spend(ledger, round(each * 1000)) for each in seconds]
        ledger.record_reconciliation({"verdict": verdict, "project": None})
        ledger.end_invocation(0)
    return [request_of(dial) for dial in dials]


def vacuumed(connection: Connection) -> list[Removed | KeptRun]:
    found = Vacuum(connection, lambda run: False)
    plan = found.plan(datetime.now(timezone.utc))
    runs = {run: Counter(table for table, _ in found.rows(run)) for run in plan.removed}
    return [*plan.kept, *found.remove(runs, "old.jsonl.gz")]


def test_the_details_of_runs_go_and_their_sums_stay(address: Address, connection: Connection) -> None:
    requests = ended(address, "old", 2, 3, budget_ms=60_000)
    ended(address, "unsettled", 1, verdict="pending")
    ended(address, "new", 5)
    done = {each.run: each for each in vacuumed(connection)}
    assert (done["unsettled"], done["old"]) == (KeptRun("unsettled", "pending"), Removed("old", 2, 5000, 6250))
    assert done.get("new") in (None, KeptRun("new", "last-lease")), "it ended within this millisecond, or before"
    for table in REMOVED:
        assert connection.rows(f"SELECT COUNT(*) AS n FROM {table}", {})[0]["n"] <= 2
    assert connection.reclaim() in (True, False)
    assert connection.size() > 0
    found = connection.rows("SELECT request_id FROM archived_request", {})
    assert sorted(row["request_id"] for row in found) == sorted(requests)
    archived = LedgerReader(connection).archive_of("old")
    assert archived is not None
    assert (archived.sessions, archived.ms, archived.micro_usd) == (2, 5000, 6250)
    with closing(live_run(address, "old", id="again", budget_ms=60_000)) as ledger:
        assert ledger.scopes(ledger.begin_attempt("t", "", None))[-1].settled == 5000


def test_what_was_added_meanwhile_keeps_a_run(address: Address, connection: Connection) -> None:
    ended(address, "old", 2)
    ended(address, "new", 5)
    found = Vacuum(connection, lambda run: False)
    rows = Counter(table for table, _ in found.rows("old"))
    ended(address, "old", 1, id="again")
    assert list(found.remove({"old": rows}, "file")) == [KeptRun("old", "changed")]
    found.forget_requests()
