"""A session is cut at its deadline whatever the test does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from tests.support.project import Project
from tests.support.slow import quick_only
from tests.support.vendor import Seen, Vendor

# A budget of 2 s keeps a margin of 10 %: the Close is due 1.8 s after the dial.
BUDGET, DUE = 2.0, 1.8


@pytest.mark.parametrize("adversary", quick_only(["test_sleeps.py", "test_regex.py", "test_sum.py"], "test_sum.py"))
def test_i4_whatever_never_ends_the_server_sees_the_close_at_the_deadline(
    project: Project, vendor: Vendor, adversary: str
) -> None:
    project.use_adversary(adversary)
    process = project.start("--dg-budget=10m", "--dg-test-budget=2s", env=vendor.environ)
    vendor.wait_open(1)
    (seen,) = vendor.wait_closed(1)
    (session,) = project.kill(process).usage["sessions"]
    check_cut_at_the_deadline(seen, session)


@pytest.mark.slow
def test_i4_while_pytest_is_stopped_the_server_sees_the_close_at_the_deadline(project: Project, vendor: Vendor) -> None:
    project.use_adversary("test_sleeps.py")
    process = project.start("--dg-budget=10m", "--dg-test-budget=2s", env=vendor.environ)
    vendor.wait_open(1)
    os.kill(process.pid, signal.SIGSTOP)
    (seen,) = vendor.wait_closed(1)
    (session,) = project.kill(process).usage["sessions"]
    check_cut_at_the_deadline(seen, session)


def check_cut_at_the_deadline(seen: Seen, session: dict[str, Any]) -> None:
    assert seen.close_seen_at is not None
    print(f"lateness of the Close: {(seen.close_seen_at - seen.opened_at - DUE) * 1000:.1f} ms")
    # Metered from the dial on, of which the server knows when it has answered.
    assert DUE - 0.1 - session["handshake_seconds"] < seen.close_seen_at - seen.opened_at < BUDGET
    assert seen.close_code == 1000
    assert seen.seconds <= BUDGET
    assert session["closed_by"] == "test-budget"
    assert session["close_code"] == 4402


ADVERSARIES = ["holds_the_gil", "is_stopped", "sits_in_a_debugger"]


@pytest.mark.slow
@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_i4_a_test_that_comes_back_after_its_deadline_learns_of_the_cut(
    project: Project, vendor: Vendor, adversary: str
) -> None:
    project.use("deadlines/test_adversary.py", "deadlines/waiting_debugger.py")
    extra = {"ADVERSARY": adversary, "PYTHONBREAKPOINT": "waiting_debugger.stop", **project.importable}
    process = project.start("--dg-budget=10m", env={**vendor.environ, **extra})
    vendor.wait_open(1)
    (seen,) = vendor.wait_closed(1)
    if adversary == "is_stopped":
        os.kill(int((project.path / "pid").read_text()), signal.SIGCONT)
    result = project.result(process)
    (session,) = result.usage["sessions"]
    check_cut_at_the_deadline(seen, session)
    assert result.status == 1, result.output
    assert "BudgetExceeded" in result.output


async def never_answers(connection: ServerConnection, seen: Seen) -> None:
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    connection.transport.pause_reading()
    await asyncio.sleep(3)
    connection.transport.abort()


@pytest.mark.slow
def test_i3_a_server_that_does_not_answer_the_close_is_aborted_within_the_allowance(project: Project) -> None:
    project.use_adversary("test_sleeps.py")
    with Vendor(never_answers) as vendor:
        process = project.start("--dg-budget=10m", "--dg-test-budget=2s", env=vendor.environ)
        vendor.wait_closed(1)
        result = project.kill(process)
    (session,) = result.usage["sessions"]
    assert 1.8 < session["seconds"] <= BUDGET
    assert not session["confirmed"]
    assert result.usage["run"]["overshoot_seconds"] == 0


@pytest.mark.slow
def test_i3_many_sessions_of_one_test_stay_within_its_allowance_together(project: Project) -> None:
    project.use("deadlines/test_many.py")
    with Vendor(never_answers) as vendor:
        result = project.run("--dg-budget=10m", env=vendor.environ)
    assert result.status == 1, result.output
    run = result.usage["run"]
    assert run["sessions"] == 10
    assert run["used_seconds"] <= 10
    assert run["overshoot_seconds"] == 0
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"test-budget"}


@pytest.mark.slow
def test_i3_clients_that_connect_again_after_the_cut_are_refused_without_a_dial(
    project: Project, vendor: Vendor
) -> None:
    project.use_adversary("test_reconnects.py")
    result = project.run("--dg-budget=10m", "--dg-test-budget=1s", env=vendor.environ)
    assert result.status == 1, result.output
    (test,) = result.usage["tests"]
    assert (test["cut"], test["verdict"]) == (True, "overrun")
    assert test["used_seconds"] <= 1
    assert vendor.total_seconds <= 1
    assert len(vendor.connections) <= 15, "places"
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"test-budget"}
