"""What a run has used is the same with a closed sum and without, and of what is closed nothing is read again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import ClosedBy
from tests.support.ledger import leased, open_ledger, sums, usage

BUDGET_MS = 600_000
STEP = st.one_of(
    st.tuples(st.just("session"), st.integers(0, 2000)),
    st.tuples(st.just("elsewhere"), st.integers(0, 2000)),
    st.tuples(st.just("lost"), st.just(0)),
    st.tuples(st.just("corrected"), st.integers(0, 3000)),
    st.tuples(st.just("next invocation"), st.just(0)),
)


def charged_ms(ledger: Ledger) -> int:
    return sum(lease.charged_ms for lease in ledger.facts().of_own_target().leases)


def used_ms(ledger: Ledger) -> int:
    settled_ms, leased_ms = sums(ledger, ledger.begin_attempt("asks", "", None))["run"]
    assert leased_ms == 0
    return settled_ms


@given(steps=st.lists(STEP, max_size=12))
def test_a_run_has_used_the_same_whatever_of_it_is_closed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = open_ledger(path, budget_ms=BUDGET_MS)
    for number, (what, ms) in enumerate(steps):
        attempt = ledger.begin_attempt("t", "", 3000, "emulator" if what == "elsewhere" else None)
        if what in {"session", "elsewhere"}:
            taken = ledger.lease_to_dial(attempt)
            if isinstance(taken, tuple):
                ledger.record_usage(usage(taken[1], ms))
                ledger.settle(taken[0], ms, ms)
        elif what == "lost" and isinstance(ledger.lease_to_dial(attempt), tuple):
            ledger.close()
            ledger = open_ledger(path, budget_ms=BUDGET_MS, id=f"lost {number}")
        elif what == "corrected" and (leases := ledger.facts().leases):
            ledger.correct_charge(leases[number % len(leases)].id, ms)
        elif what == "next invocation":
            ledger.close()
            ledger = open_ledger(path, budget_ms=BUDGET_MS, id=f"later {number}")
        assert used_ms(ledger) == charged_ms(ledger)
    ledger.close()


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
        first.record_usage(usage(first.record_dial(lease), 59_000, closed_by="run-budget"))
        first.settle(lease, 59_000)
    assert budget_is_spent(path, 60_000)
    assert not budget_is_spent(path, 60_001)
