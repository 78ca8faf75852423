"""Runs that share a ledger wait for one another: real gateways on one file, before a vendor that counts for itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.model import WindowBudget
from tests.process.test_disk import power_fails
from tests.process.test_one_ledger import on_its_own
from tests.support.gateway import MINUTE_MS, RunningGateway, opened
from tests.support.ledger import ends_of_leases, rows_of
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.vendor import Seen, Vendor

A_MINUTE_A_DAY = (WindowBudget(period="day", currency="time", allowed=MINUTE_MS),)


@contextmanager
def gateways(vendor: Vendor, folder: Path, count: int, **changes: Any) -> Iterator[list[RunningGateway]]:
    """Start gateways of so many runs, on one ledger and with the same settings."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(opened(vendor.url, folder, run_id=f"run-{number}", **changes))
            for number in range(count)
        ]


def most_at_once(connections: Sequence[Seen]) -> int:
    """Return how many the vendor had open at most; one that ends as another begins was open with it."""
    moments = sorted(
        moment for seen in connections for moment in ((seen.opened_at, 1), (seen.closed_at or float("inf"), -1))
    )
    open_now, most = 0, 0
    for _, change in moments:
        open_now += change
        most = max(most, open_now)
    return most


def talk(gateway: RunningGateway, number: int) -> float:
    """Open a session of a test of its own, and return how many seconds that took."""
    token = gateway.grant(budget_ms=5000).token
    asked_at = monotonic()
    with gateway.session(token) as session:
        assert "Welcome" in str(session.recv(30))
        took = monotonic() - asked_at
        threading.Event().wait(0.02 * (number % 3))
    return took


def opened_session(gateway: RunningGateway) -> ExitStack:
    """Open a session that takes all of the window, and return what closes it."""
    stack = ExitStack()
    stack.enter_context(gateway.session(gateway.grant().token)).recv(10)
    return stack


@pytest.mark.slow
@pytest.mark.parametrize(("where", "count"), [("sqlite", 2), ("sqlite", 6), ("postgres", 6)])
def test_no_more_sessions_are_open_than_the_project_has_places_and_no_run_starves(
    request: pytest.FixtureRequest, vendor: Vendor, tmp_path: Path, where: str, count: int
) -> None:
    """Each run has more clients than there are places, all the time; after the first third, all have been served."""
    each, file = 12, tmp_path / ".dgbudget/ledger.db"
    ledger = file if where == "sqlite" else request.getfixturevalue("postgres").new_ledger()
    with (
        gateways(vendor, tmp_path, count, project_sessions=2, ledger=ledger) as runs,
        ThreadPoolExecutor(each * count) as clients,
    ):
        asking = [clients.submit(talk, run, number) for number in range(each) for run in runs]
        for asked in asking:
            asked.result(60)
    vendor.wait_closed(each * count)
    assert most_at_once(vendor.connections) == 2
    with closing(open_connection(ledger, None, durable=False)) as connection:
        order = [row["run"] for row in connection.rows("SELECT run FROM lease ORDER BY number", {})]
        assert len(order) == each * count
        assert set(order[: len(order) // 3]) == {f"run-{number}" for number in range(count)}
        assert connection.rows("SELECT how FROM lease_end WHERE how <> 'settled'", {}) == []
        assert connection.rows("SELECT id FROM waiter", {}) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_a_waiter_is_dialled_at_once_when_another_run_settles(
    request: pytest.FixtureRequest, vendor: Vendor, tmp_path: Path, where: str
) -> None:
    """Within 0.3 s, on the average of twenty: a busy machine has its moments."""
    times, file = 20, tmp_path / ".dgbudget/ledger.db"
    ledger = file if where == "sqlite" else request.getfixturevalue("postgres").new_ledger()
    with (
        gateways(vendor, tmp_path, 2, windows=A_MINUTE_A_DAY, ledger=ledger) as runs,
        ThreadPoolExecutor(1) as other,
        closing(open_connection(ledger, None, durable=False)) as connection,
    ):
        held = opened_session(runs[0])
        for number in range(1, times + 1):
            waiting = other.submit(opened_session, runs[number % 2])
            wait_until(lambda: bool(connection.rows("SELECT id FROM waiter", {})))
            held.close()
            held = waiting.result(10)
        held.close()
    connections = vendor.wait_closed(times + 1)
    gaps = [after.opened_at - (before.closed_at or 0) for before, after in pairwise(connections)]
    assert min(gaps) > 0
    assert sum(gaps) / times < 0.3


@pytest.mark.slow
def test_the_sum_of_all_runs_stays_within_their_window_whatever_the_order(vendor: Vendor, tmp_path: Path) -> None:
    with gateways(vendor, tmp_path, 4, windows=A_MINUTE_A_DAY) as runs, ThreadPoolExecutor(24) as clients:
        asking = [clients.submit(talk, run, number) for number in range(6) for run in runs]
        for asked in asking:
            asked.result(60)
    vendor.wait_closed(24)
    assert vendor.total_seconds < 60
    assert set(ends_of_leases(tmp_path)) == {"settled"}


@pytest.mark.slow
def test_what_a_killed_run_held_or_waited_for_keeps_nobody_waiting(project: Project, vendor: Vendor) -> None:
    """Of the run that has the place, and of the one that is next, both pytest and gateway are gone at once."""
    project.expects_log = True
    project.use("one_ledger/test_waits.py")
    project.write("dgbudget.toml", "[project]\nsessions = 1\n")
    runs = []
    for number in range(3):
        arguments = ("--dg-budget=10m", f"--dg-run-id=run-{number}", f"--dg-report-dir=run-{number}")
        runs.append(project.start(*arguments, "--dg-reconcile=off", env=vendor.environ))
        vendor.wait_open(1)
        wait_until(partial(has_waiters, project, number), 30)
    for killed in runs[:2]:
        power_fails(killed.pid)
    killed_at = monotonic()
    last = vendor.wait_open(2)[1]
    assert last.opened_at - killed_at < 10
    project.write("go-on", "")
    assert project.result(runs[2]).status == 0
    assert ends_of_leases(project.path) == ["orphaned", "settled"]
    assert waiters(project) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_six_pytests_never_have_more_open_than_the_project_has_places_and_say_what_they_waited_for(
    request: pytest.FixtureRequest, project: Project, vendor: Vendor, where: str
) -> None:
    ledger = {} if where == "sqlite" else {"DG_LEDGER": request.getfixturevalue("postgres").new_ledger()}
    project.use("many/test_it.py")
    project.write("dgbudget.toml", "[project]\nsessions = 2\n")
    names = [f"run-{number}" for number in range(6)]
    runs = [project.start(*on_its_own(name), env={**vendor.environ, **ledger, "TESTS": "10"}) for name in names]
    results = [project.result(run, timeout=100) for run in runs]
    assert [result.status for result in results] == [0] * 6, [result.output for result in results]
    assert len(vendor.wait_closed(60)) == 60
    assert most_at_once(vendor.connections) == 2
    tests = [
        test
        for name in names
        for test in json.loads((project.path / name / "usage.json").read_text(encoding="utf-8"))["tests"]
    ]
    assert {test["waited_for"] for test in tests if test["waited_seconds"] > 0.1} == {"project-place"}


def has_waiters(project: Project, count: int) -> bool:
    return len(waiters(project)) == count


def waiters(project: Project) -> list[tuple[str]]:
    """Return which runs wait with others, in their order."""
    return rows_of(project.path, "SELECT run FROM waiter ORDER BY at")
