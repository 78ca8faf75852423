"""Signals to pytest: it installs no handler of ours, so what they do is pytest's own; the sessions are closed."""

from __future__ import annotations

import os
import signal
import time

import pytest
from websockets.asyncio.server import ServerConnection

from tests.support.ledger import ends_of_leases
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import Seen, Vendor


def test_sigterm_closes_and_reports_in_time_and_keeps_the_exit_status(project: Project, vendor: Vendor) -> None:
    """Runners kill 2.5 s after a SIGTERM."""
    project.use("figures/test_endless.py")
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    process.terminate()
    sent_at = time.monotonic()
    (seen,) = vendor.wait_closed(1)
    report = project.path / ".dgbudget/report/usage.json"
    wait_until(report.exists)
    print(f"reported {(time.monotonic() - sent_at) * 1000:.0f} ms after SIGTERM")
    assert time.monotonic() - sent_at < 2
    result = project.result(process)
    assert result.status == -signal.SIGTERM
    (session,) = result.usage["sessions"]
    assert session["confirmed"]
    assert vendor.saw(result.usage, within=0.1), seen
    assert ends_of_leases(project.path) == ["settled"]


@pytest.mark.slow
def test_a_project_that_ends_orderly_at_sigterm_still_does(project: Project, vendor: Vendor) -> None:
    project.use("signals/orderly", "figures/test_endless.py")
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    process.terminate()
    result = project.result(process)
    assert result.status == 2, result.output
    assert (result.usage["run"]["complete"], result.usage["run"]["verdict"]) == (True, "interrupted")
    assert ends_of_leases(project.path) == ["settled"]


@pytest.mark.parametrize("workers", ["-n0", slow("-n1")])
def test_no_signal_handler_is_ours(project: Project, vendor: Vendor, workers: str) -> None:
    project.use("signals/test_handlers.py")
    result = project.run("--dg-budget=10m", workers, env=vendor.environ)
    assert result.status == 0, result.output


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "count"), [("-n0", 1), ("-n2", 2)])
def test_a_second_ctrl_c_during_teardown_is_never_stuck(
    project: Project, vendor: Vendor, workers: str, count: int
) -> None:
    """A terminal sends it to everybody; the first one closes what the tests hold, their own teardowns come later."""
    project.use("signals/test_slow_to_end.py")
    process = project.start("--dg-budget=10m", "--dg-reconcile=off", workers, env=vendor.environ)
    vendor.wait_open(count)
    os.killpg(process.pid, signal.SIGINT)
    vendor.wait_closed(count, timeout=5)
    wait_until(lambda: len(list(project.path.glob("tearing-down-*"))) == count)
    os.killpg(process.pid, signal.SIGINT)
    result = project.result(process, timeout=20)
    # pytest itself lets the second one through to Python.
    assert result.status == -signal.SIGINT, result.output
    assert result.usage["run"]["verdict"] == "interrupted"
    assert result.usage["run"]["used_seconds"] == pytest.approx(vendor.total_seconds, abs=0.5 * count)
    assert ends_of_leases(project.path) == ["settled"] * count


@pytest.mark.slow
def test_an_interrupt_between_connect_and_the_end_of_a_setup_leaves_nothing_open(
    project: Project, vendor: Vendor
) -> None:
    """pytest does not finalize a fixture whose setup is interrupted."""
    project.use("signals/test_setup_interrupted.py")
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 2, result.output
    (seen,) = vendor.wait_closed(1)
    (session,) = result.usage["sessions"]
    assert session["request_id"] == seen.request_id
    assert vendor.saw(result.usage, within=0.1), seen
    assert ends_of_leases(project.path) == ["settled"]


async def never_welcomes(connection: ServerConnection, seen: Seen) -> None:
    await connection.wait_closed()


@pytest.mark.slow
def test_an_interrupt_while_a_setup_waits_to_be_connected_leaves_nothing_open(project: Project) -> None:
    """Nobody has the session yet, and the vendor bills it."""
    project.use("signals/test_setup_connects.py")
    with Vendor(never_welcomes) as vendor:
        process = project.start("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
        wait_until(lambda: len(vendor.connections) == 1)
        process.send_signal(signal.SIGINT)
        result = project.result(process, timeout=20)
        (seen,) = vendor.wait_closed(1)
    assert result.status == 2, result.output
    (session,) = result.usage["sessions"]
    assert (session["request_id"], session["confirmed"]) == (None, True)
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.5)
    assert ends_of_leases(project.path) == ["settled"]
