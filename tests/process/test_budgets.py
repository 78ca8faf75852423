"""Budgets over many workers, and clients that give up waiting."""

from __future__ import annotations

import itertools
import sqlite3
import time
from contextlib import suppress

import pytest

from tests.support.ledger import rows_of
from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import Vendor


@pytest.mark.parametrize("workers", ["-n2", slow("-n4")])
def test_workers_together_never_spend_more_than_the_run_budget(project: Project, vendor: Vendor, workers: str) -> None:
    project.use("budgets/test_twelve.py")
    result = project.run(workers, "--dg-budget=5500ms", "--dg-test-budget=2s", env=vendor.environ)
    vendor.wait_closed(3)
    assert result.status == 1, result.output
    assert vendor.total_seconds <= 5.5
    outcomes = [test["outcome"] for test in result.usage["tests"]]
    assert outcomes.count("passed") >= 3
    assert len(outcomes) == 12
    run = result.usage["run"]
    assert (run["verdict"], run["failing"], run["complete"]) == ("overrun", True, True)
    assert run["used_seconds"] <= 5.5
    assert run["overshoot_seconds"] == 0


@pytest.mark.slow
def test_a_client_that_gives_up_waiting_leaves_no_trace_but_a_report_section(project: Project, vendor: Vendor) -> None:
    project.use("budgets/test_gives_up.py")
    result = project.run("-n3", "--dg-budget=7s", env=vendor.environ)
    seen = vendor.wait_closed(2)
    assert len(seen) == 2, "the client that gave up was dialled"
    tests = {test["nodeid"].rpartition("::")[2]: test for test in result.usage["tests"]}
    assert tests["test_gives_up"]["used_seconds"] == 0
    assert tests["test_gives_up"]["sessions"] == 0
    assert 0.3 < tests["test_gives_up"]["waited_seconds"] < 2
    assert "gave up; raise its opening timeout" in result.output
    assert tests["test_comes_next"]["outcome"] == "passed"
    assert tests["test_comes_next"]["waited_seconds"] > 1
    assert "waited" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["0", "900ms"])
def test_a_budget_too_small_for_a_session_opens_none_or_all_of_it(
    project: Project, vendor: Vendor, budget: str
) -> None:
    project.use("figures/test_says.py")
    result = project.run(f"--dg-budget={budget}", env=vendor.environ)
    if budget == "0":
        assert result.status == 1
        assert "BudgetExhausted: run budget of 0s allows nothing" in result.output
        assert vendor.connections == []
    else:
        assert result.status == 0, result.output
        assert vendor.wait_closed(1)[0].seconds < 0.9


@pytest.mark.slow
def test_a_later_run_with_the_same_id_goes_on_with_what_is_left(project: Project, vendor: Vendor) -> None:
    project.use("budgets/test_half.py")
    arguments = ("--dg-budget=2s", "--dg-run-id=nightly.1")
    first = project.run(*arguments, env=vendor.environ)
    assert first.status == 0, first.output
    second = project.run(*arguments, env=vendor.environ)
    assert second.status == 1
    assert "BudgetExhausted: run budget of 2s nearly spent" in second.output
    assert len(vendor.wait_closed(1)) == 1
    assert second.usage["run"]["used_seconds"] == first.usage["run"]["used_seconds"]


@pytest.mark.slow
def test_more_sessions_than_places_wait_their_turn(project: Project, vendor: Vendor) -> None:
    project.use("budgets/test_places.py")
    result = project.run("-n3", "--dg-budget=10m", "--dg-max-sessions=1", env=vendor.environ)
    assert result.status == 0, result.output
    seen = sorted(vendor.wait_closed(3), key=lambda connection: connection.opened_at)
    for earlier, later in itertools.pairwise(seen):
        assert earlier.closed_at is not None
        assert later.opened_at >= earlier.closed_at - 0.05


@pytest.mark.slow
@pytest.mark.timeout(180)  # nine interpreters start at once
def test_i3_of_eight_workers_at_once_three_fit_and_the_others_go_on_with_what_is_given_back(
    project: Project, vendor: Vendor
) -> None:
    """At every instant that anybody can look at, settled and leased are within the budget."""
    project.use("budgets/test_eight.py")
    process = project.start("-n8", "--dg-budget=30s", "--dg-reconcile=off", env=vendor.environ)
    promised: list[int] = []
    while process.poll() is None:
        with suppress(sqlite3.OperationalError):
            promised.append(rows_of(project.path, PROMISED)[0][0])
        time.sleep(0.01)
    result = project.result(process)
    assert result.status == 0, result.output
    seen = vendor.wait_closed(8)
    at_once = max(sum(other.opened_at <= each.opened_at < (other.closed_at or 0) for other in seen) for each in seen)
    assert at_once == 3
    assert 20_000 < max(promised) <= 30_000
    waited = [test["waited_seconds"] for test in result.usage["tests"]]
    assert sum(seconds > 0 for seconds in waited) == 5


PROMISED = """SELECT COALESCE(SUM(COALESCE(lease_end.ms, lease.ms)), 0)
    FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id"""
