"""What a run has used is the same with a closed sum and without, and of what is closed nothing is read again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.facts import LeaseFacts, RunFacts
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import ClosedBy, OtherTarget
from tests.support.ledger import leased, open_ledger, sums, usage

BUDGET_MS = 600_000
NOT_CLOSED = "number > (SELECT MAX(number) FROM swept)"
KINDS_OF_SESSION = ("session", "without a price", "elsewhere", "lost", "cut")
STEP = st.tuples(
    st.sampled_from([*KINDS_OF_SESSION, "corrected", "lease of an earlier version", "next invocation"]),
    st.integers(0, 3000),
)


def ended(facts: RunFacts) -> list[LeaseFacts]:
    return [lease for lease in facts.leases if lease.how is not None]


def charged_ms(ledger: Ledger) -> int:
    return sum(lease.charged_ms for lease in ended(ledger.facts().of_own_target()))


def used_ms(ledger: Ledger) -> int:
    return sums(ledger, ledger.begin_attempt("asks", "", None))["run"][0]


class Spending:
    """Invocations of one run, one after the other, in a ledger of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.ledger = self.next()

    def next(self, budget_ms: int = BUDGET_MS) -> Ledger:
        if self.count:
            self.ledger.close()
        self.count += 1
        self.budget_ms = budget_ms
        self.ledger = open_ledger(self.path, budget_ms=budget_ms, id=f"invocation {self.count}")
        return self.ledger

    def take(self, what: str, ms: int) -> None:
        if what == "next invocation":
            self.next(BUDGET_MS + ms)
        elif what == "corrected" and (leases := ended(self.ledger.facts())):
            self.ledger.record_reconciliation({"verdict": "pending"}, {leases[ms % len(leases)].id: ms})
        elif what == "lease of an earlier version":
            with closing(sqlite3.connect(self.path)) as file, file:
                file.execute(f"UPDATE lease SET micro_usd = NULL WHERE {NOT_CLOSED}")
                file.execute(
                    f"UPDATE lease_end SET micro_usd = NULL WHERE lease IN (SELECT id FROM lease WHERE {NOT_CLOSED})"
                )
        elif what in KINDS_OF_SESSION:
            self._session(what, ms)

    def _session(self, what: str, ms: int) -> None:
        target: OtherTarget | None = "emulator" if what == "elsewhere" else None
        test_ms = None if what == "cut" else 3000
        taken = self.ledger.lease_to_dial(self.ledger.begin_attempt("t", "", test_ms, target))
        if isinstance(taken, tuple) and what != "lost":
            closed_by: ClosedBy = "run-budget" if what == "cut" else "client"
            self.ledger.record_usage(usage(taken[1], ms, closed_by=closed_by, budget_ms=self.budget_ms))
            self.ledger.settle(taken[0], ms, None if what == "without a price" else ms)


@given(steps=st.lists(STEP, max_size=12))
def test_a_run_has_used_the_same_whatever_of_it_is_closed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    spending = Spending(tmp_path_factory.mktemp("ledger") / "ledger.db")
    for what, ms in steps:
        spending.take(what, ms)
        assert used_ms(spending.ledger) == sum(
            lease.charged_ms for lease in ended(spending.ledger.facts().of_own_target())
        )
    spending.ledger.close()


def last_closed(path: Path) -> Mapping[str, Any] | None:
    with closing(SqliteConnection(path, durable=False)) as connection:
        return next(iter(connection.rows(sql.CLOSED_SUM, {"scope": "run:run"})), None)


def without_number(closed: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return closed and {name: value for name, value in closed.items() if name != "until"}


def added_up(facts: RunFacts) -> Mapping[str, int | None]:
    """What a closed sum of all leases must say, from what is known of each."""
    budgets = {invocation.id: invocation.budget_ms for invocation in facts.invocations}
    invocations = {attempt.id: attempt.invocation for attempt in facts.attempts}
    cut = [budgets[invocations[session.attempt]] for session in facts.sessions if session.closed_by == "run-budget"]
    leases = facts.of_own_target().leases
    return {
        "ms": sum(lease.charged_ms for lease in leases),
        "micro_usd": sum(lease.charged_micro_usd or 0 for lease in leases),
        "unpriced_ms": sum(lease.charged_ms for lease in leases if lease.charged_micro_usd is None),
        "cut_budget_ms": max(filter(None, cut), default=None),
        "cut_budget_micro_usd": None,
    }


@example(steps=[("session", 100), ("lease of an earlier version", 0), ("corrected", 50)])
@example(steps=[("elsewhere", 100), ("next invocation", 0), ("corrected", 50)])
@example(steps=[("without a price", 100), ("next invocation", 0), ("corrected", 50), ("corrected", 60)])
@example(steps=[("cut", 100), ("next invocation", 1000), ("session", 50)])
@given(steps=st.lists(STEP, max_size=12))
def test_a_closed_sum_is_what_all_that_it_has_adds_up_to(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    spending = Spending(tmp_path_factory.mktemp("ledger") / "ledger.db")
    for what, ms in steps:
        spending.take(what, ms)
    spending.next()
    assert without_number(last_closed(spending.path)) in (None, added_up(spending.ledger.facts()))
    spending.ledger.close()


def spend(ledger: Ledger, count: int, closed_by: ClosedBy = "client") -> None:
    for _ in range(count):
        lease = leased(ledger, ledger.begin_attempt("t", "", None))
        ledger.record_usage(usage(ledger.record_dial(lease), 100, closed_by=closed_by))
        ledger.settle(lease, 100, 7)


def test_of_what_earlier_invocations_used_one_row_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path)) as first:
        spend(first, 30)
    with closing(open_ledger(path, id="second")) as second:
        spend(second, 1)
        assert used_ms(second) == 3100
    with closing(SqliteConnection(path, durable=False)) as connection:
        closed = connection.rows("SELECT scope, until, ms, micro_usd, unpriced_ms FROM closed_sum", {})
        assert closed == [{"scope": "run:run", "until": 30, "ms": 3000, "micro_usd": 210, "unpriced_ms": 0}]
        for table in ("usage", "dial", "lease_end"):
            connection.execute(f"DELETE FROM {table} WHERE rowid <= 30", {})
    with closing(open_ledger(path, id="third")) as third:
        assert used_ms(third) == 3100


def test_a_lease_that_is_open_is_in_no_closed_sum(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path)) as first:
        spend(first, 2)
        lease = leased(first, first.begin_attempt("t", "", 5000))
        with closing(open_ledger(path, id="beside", run="other", live=frozenset({"run"}))):
            pass
        with closing(open_ledger(path, id="second", live=frozenset({"run"}))) as second:
            assert sums(second, second.begin_attempt("t", "", None))["run"] == (200, 4800)
        first.settle(lease, 1000, 1)
    with closing(open_ledger(path, id="third")) as third:
        assert used_ms(third) == 1200


def budget_is_spent(path: Path, budget_ms: int) -> bool:
    with closing(open_ledger(path, id=f"asks with {budget_ms}", budget_ms=budget_ms)) as ledger:
        (scope,) = ledger.scopes(ledger.begin_attempt("t", "", None))
        return scope.was_cut


def test_a_closed_sum_knows_which_budget_cut_a_session(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path, budget_ms=60_000)) as first:
        lease = leased(first, first.begin_attempt("t", "", None))
        first.record_usage(usage(first.record_dial(lease), 59_000, closed_by="run-budget", budget_ms=60_000))
        first.settle(lease, 59_000)
    assert budget_is_spent(path, 60_000)
    assert not budget_is_spent(path, 60_001)


def test_what_was_dialled_elsewhere_counts_nothing(tmp_path: Path) -> None:
    spending = Spending(tmp_path / "ledger.db")
    for _ in range(3):
        spending.take("elsewhere", 100)
    assert used_ms(spending.next()) == 0
    spending.ledger.close()
    assert last_closed(spending.path) is None
