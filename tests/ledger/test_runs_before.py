"""What a run is compared with: the runs of its target before it that came to their end, and whole tests in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.runs_before import RunsBefore, runs_before
from pytest_dgbudget.model import ClosedBy, MeasuredTurn, OtherTarget, Outcome, Overrun
from pytest_dgbudget.report.html.trend import this_run
from pytest_dgbudget.report.past import uncompared_past_of
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.rules.levels import MOST_RUNS
from pytest_dgbudget.rules.regression import UseOfTest
from tests.ledger.conftest import OpenLedger
from tests.support.ledger import leased, usage

TEST, OTHER = "test_it.py::test_it", "test_it.py::test_other"
REFUSED = Overrun(kind="refused", scope="run", used=1, allowed=1)
Run = Callable[..., Ledger]
Read = Callable[[], RunsBefore]


def turn(latency_ms: int | None, **others: Any) -> MeasuredTurn:
    known: dict[str, Any] = {"since": "audio", "overlapped": False, "unpaced": False, "continued": False}
    answered_ms = None if latency_ms is None else 1000 + latency_ms
    return MeasuredTurn(**{**known, "started_ms": 1000, "answered_ms": answered_ms, "function_ms": 0, **others})


def spend(
    ledger: Ledger,
    ms: int | None = 1000,
    *latencies_ms: int | None,
    nodeid: str = TEST,
    worker: str = "",
    target: OtherTarget | None = None,
    skipped_ms: int | None = None,
    outcome: Outcome | None = "passed",
    closed_by: ClosedBy = "client",
    **of_turns: Any,
) -> None:
    """One attempt of a test, with a session."""
    attempt = ledger.begin_attempt(nodeid, worker, 60_000, target)
    lease = leased(ledger, attempt)
    record = usage(ledger.record_dial(lease, target), ms, closed_by=closed_by)
    turns = tuple(turn(ms, **of_turns) for ms in latencies_ms)
    forecast = None if skipped_ms is None else 40
    ledger.record_usage(replace(record, micro_usd=20, skipped_ms=skipped_ms, forecast_micro_usd=forecast, turns=turns))
    ledger.settle(lease, ms or 0, 20)
    if outcome is not None:
        ledger.record_outcome(attempt.id, outcome)


@pytest.fixture
def run(open_again: OpenLedger) -> Run:
    """Enters another run, of which nothing is spent yet; of those before it each has an instant of its own."""
    entered = 0

    def enter(target: str = "live", exit_status: int | None = 0, **others: Any) -> Ledger:
        nonlocal entered
        entered += 1
        before = utc_now()
        while utc_now() == before:
            pass
        known = {"id": f"invocation-{entered}", "run": f"run-{entered}", "target": target, "billed": target == "live"}
        ledger = open_again(**{**known, "budget_ms": 10**9, **others})
        ledger.end_invocation(exit_status)
        return ledger

    return enter


@pytest.fixture
def now(run: Run) -> Callable[..., Ledger]:
    """Enters the run that is to be compared, which has the test."""

    def enter(*others: Any, **fields: Any) -> Ledger:
        ledger = run(run="now", **fields)
        spend(ledger, 1500, skipped_ms=0)
        return ledger

    return enter


@pytest.fixture
def before(connection: Connection) -> Read:
    return lambda: runs_before(connection, "now")


def uses(found: RunsBefore) -> list[dict[str, UseOfTest]]:
    return [dict(each.use) for each in found.earlier]


def test_each_run_has_what_its_tests_came_to(run: Run, now: Run, before: Read) -> None:
    spend(run(), 1000, 500, 700, 600)
    second = run()
    spend(second, 2000, 900)
    spend(second, 3000, None, None, 300, nodeid=OTHER)
    ledger = now()
    spend(ledger, 2500, 1100, nodeid=OTHER)
    found = before()
    assert found.use == {TEST: UseOfTest(1500), OTHER: UseOfTest(2500, 1100)}
    assert uses(found) == [
        {TEST: UseOfTest(1000, 600)},
        {TEST: UseOfTest(2000, 900), OTHER: UseOfTest(3000)},
    ]
    last = found.earlier[-1]
    assert (last.id, last.tests, last.sessions, last.ms, last.micro_usd) == ("run-2", 2, 2, 5000, 40)
    assert last.latency_p50_ms == 900
    assert last.started_at < utc_now()


def test_a_run_that_is_not_there_has_no_past(before: Read, run: Run) -> None:
    spend(run())
    assert before() == RunsBefore({}, ())


def test_the_last_runs_alone_are_read(run: Run, now: Run, before: Read) -> None:
    for _ in range(MOST_RUNS + 1):
        spend(run())
    now()
    assert [each.id for each in before().earlier] == [f"run-{number}" for number in range(2, MOST_RUNS + 2)]


def test_a_later_run_is_none_of_those_before_it(run: Run, now: Run, before: Read) -> None:
    now()
    spend(run())
    assert before().earlier == []


@pytest.mark.parametrize("other", ["emulator", "rehearsal"])
def test_another_target_is_another_past(run: Run, now: Run, before: Read, other: str) -> None:
    spend(run(), skipped_ms=0)
    spend(run(other), 2000, skipped_ms=500)
    now(target=other)
    assert uses(before()) == [{TEST: UseOfTest(2500 if other == "emulator" else 2000)}]


def test_what_a_live_run_dialled_at_an_emulator_is_not_compared(run: Run, now: Run, before: Read) -> None:
    ledger = run()
    spend(ledger)
    spend(ledger, 9000, nodeid=OTHER, target="emulator", skipped_ms=0)
    now()
    assert uses(before()) == [{TEST: UseOfTest(1000)}]
    assert before().earlier[0].ms == 1000


def test_emulated_runs_count_by_their_forecasts(run: Run, now: Run, before: Read) -> None:
    spend(run("emulator"), 100, skipped_ms=5000)
    spend(run("emulator"), skipped_ms=None)
    now(target="emulator")
    assert uses(before()) == [{TEST: UseOfTest(5100)}, {}]
    assert [(each.ms, each.micro_usd) for each in before().earlier] == [(5100, 40), (0, None)]


@pytest.mark.parametrize("target", ["live", "rehearsal", "emulator"])
def test_a_report_has_its_own_run_as_later_runs_have_it(
    run: Run, now: Run, before: Read, connection: Connection, target: str
) -> None:
    ledger = run(target)
    spend(ledger, 1000, 500, 700, skipped_ms=4000)
    spend(ledger, 2000, nodeid=OTHER, skipped_ms=0, closed_by="idle")
    if target == "live":
        spend(ledger, 9000, nodeid="test_it.py::test_elsewhere", target="emulator", skipped_ms=0)
    ledger.settle(leased(ledger, ledger.begin_attempt(OTHER, "", 60_000, None)), 30_000, 700)  # more than was metered
    now(target=target)
    facts = LedgerReader(connection).known_run("run-1")
    assert facts is not None
    (had_later,) = uncompared_past_of(before()).history
    assert this_run(usage_document(facts)) == had_later


@pytest.mark.parametrize(("target", "known"), [("emulator", None), ("live", 300)])
def test_latencies_at_pace_max_are_the_machines(
    run: Run, now: Run, before: Read, target: str, known: int | None
) -> None:
    spend(run(target, pace="max"), 1000, 300, skipped_ms=0)
    spend(run(target, pace="vendor"), 1000, 400, skipped_ms=0)
    now(target=target)
    assert uses(before()) == [{TEST: UseOfTest(1000, known)}, {TEST: UseOfTest(1000, 400)}]


@pytest.mark.parametrize("exit_status", [2, None])
def test_a_run_that_was_interrupted_is_left_out(run: Run, now: Run, before: Read, exit_status: int | None) -> None:
    spend(run(exit_status=exit_status))
    spend(run(exit_status=1), 2000)
    now()
    assert uses(before()) == [{TEST: UseOfTest(2000)}]


def test_a_run_one_of_whose_invocations_has_not_ended_is_left_out(
    run: Run, now: Run, before: Read, open_again: OpenLedger
) -> None:
    spend(run())
    open_again(id="again", run="run-1", target="live", billed=True, budget_ms=10**9)
    now()
    assert before().earlier == []


def test_shards_with_one_run_id_are_one_run(run: Run, now: Run, before: Read, open_again: OpenLedger) -> None:
    """Also where the last of them is still under way: what passed in it so far counts."""
    shard = {"target": "live", "billed": True, "budget_ms": 10**9}
    spend(run())
    second = open_again(id="second", run="run-1", **shard)
    spend(second, 2000, nodeid=OTHER)
    second.end_invocation(1)
    now()
    last = open_again(id="last", run="now", **shard)
    spend(last, 3000, nodeid=OTHER)
    spend(last, 3000, nodeid="test_it.py::test_under_way", outcome=None)
    assert before().use == {TEST: UseOfTest(1500), OTHER: UseOfTest(3000)}
    assert uses(before()) == [{TEST: UseOfTest(1000), OTHER: UseOfTest(2000)}]


def test_runs_that_share_less_than_half_of_the_tests_are_left_out(run: Run, now: Run, before: Read) -> None:
    spend(run())
    ledger = now()
    spend(ledger, nodeid="test_it.py::test_2")
    assert len(before().earlier) == 1
    spend(ledger, nodeid="test_it.py::test_3")
    assert before().earlier == []


def test_runs_of_other_tests_take_no_places(run: Run, now: Run, before: Read) -> None:
    spend(run())
    for _ in range(MOST_RUNS):
        spend(run(), nodeid=OTHER)
    now()
    assert [each.id for each in before().earlier] == ["run-1"]


@pytest.mark.parametrize("outcome", ["failed", None])
def test_a_test_that_did_not_pass_is_not_compared(run: Run, now: Run, before: Read, outcome: Outcome | None) -> None:
    ledger = run()
    spend(ledger, outcome=outcome)
    spend(ledger, 2000, nodeid=OTHER)
    now()
    assert uses(before()) == [{OTHER: UseOfTest(2000)}]
    assert before().earlier[0].ms == 3000


@pytest.mark.parametrize(
    "others", [{"closed_by": "run-budget"}, {"ms": None, "closed_by": "gateway-lost"}], ids=["cut", "nobody saw it end"]
)
def test_a_test_of_which_a_part_is_missing_is_not_compared(
    run: Run, now: Run, before: Read, others: dict[str, Any]
) -> None:
    spend(run(), **others)
    now()
    assert uses(before()) == [{}]


def test_a_test_that_was_refused_a_session_is_not_compared(run: Run, now: Run, before: Read) -> None:
    ledger = run()
    attempt = ledger.begin_attempt(TEST, "", 60_000)
    ledger.record_refusal("refusal", attempt, REFUSED, tolerated=True)
    ledger.record_outcome(attempt.id, "passed")
    now()
    assert uses(before()) == [{}]


def test_a_test_that_was_replayed_is_not_compared(run: Run, now: Run, before: Read) -> None:
    ledger = run()
    attempt = ledger.begin_attempt(TEST, "", 60_000)
    lease, dial = ledger.begin_replay(attempt, "cassettes/test_it")
    ledger.record_usage(replace(usage(dial, 0), turns=(turn(5),)))
    ledger.settle(lease, 0, 0)
    ledger.record_outcome(attempt.id, "passed")
    spend(ledger, 2000, nodeid=OTHER)
    now()
    (earlier,) = before().earlier
    assert (dict(earlier.use), earlier.sessions) == ({OTHER: UseOfTest(2000)}, 1)
    assert earlier.latency_p50_ms is None


def test_reruns_count_together_and_what_each_worker_ran_by_itself(run: Run, now: Run, before: Read) -> None:
    ledger = run()
    spend(ledger, 1000, 300, 500, outcome="rerun")
    spend(ledger, 2000, 600)
    for worker in ("gw0", "gw1"):
        spend(ledger, 4000, nodeid=OTHER, worker=worker)
    now()
    assert uses(before()) == [{TEST: UseOfTest(3000, 500), OTHER: UseOfTest(4000)}]


def test_only_judged_turns_count(run: Run, now: Run, before: Read) -> None:
    ledger = run()
    spend(ledger, 1000, 300, unpaced=True)
    spend(ledger, 1000, 400, nodeid=OTHER)
    now()
    assert uses(before()) == [{TEST: UseOfTest(1000), OTHER: UseOfTest(1000, 400)}]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_runs_of_two_hundred_tests_are_read_at_once(run: Run, before: Read) -> None:
    """In 0.15 s on a machine with nothing else to do; a report waits for it for five."""
    for number in range(MOST_RUNS + 1):
        ledger = run(run="now") if number == MOST_RUNS else run()
        with ledger.together():
            for test in range(200):
                spend(ledger, 5000, *range(500, 1000, 100), nodeid=f"test_it.py::test_{test}")
    before()
    began = time.perf_counter()
    found = before()
    took = time.perf_counter() - began
    print(f"read in {took:.2f} s")
    assert took < 5
    assert len(found.earlier) == MOST_RUNS
    assert [use.latency_ms for each in found.earlier for use in each.use.values()] == [700] * 20 * 200
