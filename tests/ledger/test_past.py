"""What a plan reads of a test's past: whole runs that somebody saw to their end, and none of another kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.history import LAST_ATTEMPTS, PastOfTest, past_of
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import OtherTarget, Outcome, Overrun
from pytest_dgbudget.rules.plan import PastRun
from tests.ledger.conftest import OpenLedger
from tests.support.ledger import leased, usage

TEST = "test_it.py::test_it"
ReadPast = Callable[..., PastOfTest]
REFUSED = Overrun(kind="refused", scope="run", used=1, allowed=1)


def spend(
    ledger: Ledger,
    ms: int = 1000,
    micro_usd: int | None = 20,
    *,
    nodeid: str = TEST,
    worker: str = "",
    target: OtherTarget | None = None,
    skipped_ms: int | None = None,
    outcome: Outcome | None = "passed",
    settles: bool = True,
    sessions: int = 1,
) -> None:
    """One attempt of a test."""
    attempt = ledger.begin_attempt(nodeid, worker, 60_000, target)
    for _ in range(sessions):
        lease = leased(ledger, attempt)
        record = usage(ledger.record_dial(lease, target), ms)
        forecast = None if skipped_ms is None or micro_usd is None else micro_usd * 2
        ledger.record_usage(replace(record, micro_usd=micro_usd, skipped_ms=skipped_ms, forecast_micro_usd=forecast))
        if settles:
            ledger.settle(lease, ms, micro_usd)
    if outcome is not None:
        ledger.record_outcome(attempt.id, outcome)


@pytest.fixture
def run(open_again: OpenLedger) -> Any:
    """Enters a run of some kind, with more to spend than these tests do."""
    entered = 0

    def enter(target: str = "live", **others: Any) -> Ledger:
        nonlocal entered
        entered += 1
        known = {"id": f"invocation-{entered}", "run": f"run-{entered}", "target": target, "billed": target == "live"}
        return open_again(**{**known, "budget_ms": 10**9, **others})

    return enter


@pytest.fixture
def past(connection: Connection) -> ReadPast:
    """Reads what a test spent."""

    def read(*names: str) -> PastOfTest:
        with connection.snapshot():
            return past_of(connection, names or [TEST])

    return read


def test_each_run_counts_once_with_all_sessions_and_reruns_of_the_test(run: Any, past: ReadPast) -> None:
    first = run()
    spend(first, 1000, 10, outcome="rerun")
    spend(first, 2000, 20, sessions=2)
    spend(run(), 500, 5)
    assert list(past().live) == [PastRun(500, 5), PastRun(5000, 50)]


def test_another_test_has_another_past(run: Any, past: ReadPast) -> None:
    spend(run(), nodeid="test_it.py::test_it[1]")
    assert past() == PastOfTest([], [])


def test_what_every_worker_ran_is_a_run_of_each(run: Any, past: ReadPast) -> None:
    ledger = run()
    for worker in ("gw0", "gw1", "gw0", "gw1"):
        spend(ledger, 1000, 10, worker=worker)
    assert list(past().live) == [PastRun(2000, 20), PastRun(2000, 20)]


def test_an_attempt_of_which_a_session_was_replayed_says_nothing(run: Any, past: ReadPast) -> None:
    ledger = run()
    attempt = ledger.begin_attempt(TEST, "", 60_000)
    lease, dial = ledger.begin_replay(attempt, "cassettes/test_it")
    ledger.record_usage(usage(dial, 0))
    ledger.settle(lease, 0, 0)
    ledger.record_outcome(attempt.id, "passed")
    assert list(past().live) == []


def test_an_unknown_cost_is_not_zero(run: Any, past: ReadPast) -> None:
    spend(run(), 1000, None)
    assert list(past().live) == [PastRun(1000, None)]


@pytest.mark.parametrize("others", [{"outcome": None}, {"settles": False}], ids=["pytest was killed", "lease is open"])
def test_a_run_whose_end_nobody_saw_says_nothing(run: Any, past: ReadPast, others: dict[str, Any]) -> None:
    spend(run(), **others)
    assert list(past().live) == []


def test_a_run_that_refused_a_session_says_nothing(run: Any, past: ReadPast) -> None:
    ledger = run()
    attempt = ledger.begin_attempt(TEST, "", 60_000)
    ledger.record_refusal("r", attempt, REFUSED, tolerated=False)
    ledger.record_outcome(attempt.id, "failed")
    assert list(past().live) == []


def test_emulated_runs_count_by_their_forecasts_where_none_was_live(run: Any, past: ReadPast) -> None:
    spend(run("emulator"), 1000, 20, skipped_ms=4000)
    assert past() == PastOfTest([], [PastRun(5000, 40)])
    spend(run(), 1500, 30)
    assert past() == PastOfTest([PastRun(1500, 30)], ())


def test_what_a_live_run_dialled_at_an_emulator_is_emulated(run: Any, past: ReadPast) -> None:
    spend(run(), 1000, 20, target="emulator", skipped_ms=0)
    assert past() == PastOfTest([], [PastRun(1000, 40)])


def test_a_forecast_that_nobody_could_make_says_nothing(run: Any, past: ReadPast) -> None:
    spend(run("emulator"), skipped_ms=None)
    assert past() == PastOfTest([], [])


def test_rehearsals_say_nothing(run: Any, past: ReadPast) -> None:
    spend(run("rehearsal"), skipped_ms=0)
    assert past() == PastOfTest([], [])


def test_the_last_attempts_alone_are_looked_at_and_of_a_run_that_they_cut_nothing(run: Any, past: ReadPast) -> None:
    spend(run(), 9000)
    ledger = run()
    for _ in range(3):
        spend(ledger, 5000)
    for _ in range(LAST_ATTEMPTS - 2):
        spend(run(), 1000)
    assert {each.ms for each in past().live} == {1000}


def test_a_test_may_be_known_by_several_names(run: Any, past: ReadPast) -> None:
    spend(run(), 1000, 10)
    spend(run(), 2000, 20, nodeid=f"{TEST}@group")
    assert sorted(past(TEST, f"{TEST}@group").live) == [PastRun(1000, 10), PastRun(2000, 20)]


def test_what_was_long_ago_says_nothing(run: Any, past: ReadPast, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        then.setattr("pytest_dgbudget.ledger.ledger.utc_now", lambda: "2020-01-01T00:00:00.000Z")
        spend(run())
    assert list(past().live) == []
