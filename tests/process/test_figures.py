"""Every figure of usage.json equals what the server in the vendor's place measured, however the run ended."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.slow import slow
from tests.support.vendor import Seen, Vendor

# The server's clock and ours see the same socket through two event loops.
CLOSE_ENOUGH = 0.1


def check_figures(result: Result, seen: list[Seen]) -> None:
    usage = result.usage
    by_id = {session["request_id"]: session for session in usage["sessions"]}
    assert by_id.keys() == {connection.request_id for connection in seen}
    for connection in seen:
        session = by_id[connection.request_id]
        # Metered from the dial on; the server measures from its 101 on.
        beyond = session["seconds"] - connection.seconds
        assert -CLOSE_ENOUGH <= beyond <= session["handshake_seconds"] + CLOSE_ENOUGH
        assert session["confirmed"]
    for test in usage["tests"]:
        sessions = [s for s in usage["sessions"] if (s["nodeid"], s["attempt"]) == (test["nodeid"], test["attempt"])]
        assert test["used_seconds"] == pytest.approx(sum(session["seconds"] for session in sessions), abs=0.001)
        assert test["sessions"] == len(sessions)
    assert usage["run"]["used_seconds"] == pytest.approx(sum(t["used_seconds"] for t in usage["tests"]), abs=0.001)
    assert usage["run"]["sessions"] == len(seen)
    off = [abs(by_id[connection.request_id]["seconds"] - connection.seconds) for connection in seen]
    print(f"{len(off)} sessions, the figure furthest off by {max(off) * 1000:.1f} ms")
    assert usage["run"]["billed"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_figures_are_the_servers_own(project: Project, vendor: Vendor, workers: str) -> None:
    project.use("figures/test_three.py")
    result = project.run("--dg-budget=5m", "--dg-target=live", workers, env=vendor.environ)
    assert result.status == 0, result.output
    check_figures(result, vendor.wait_closed(4))
    assert result.usage["run"]["complete"]
    assert {connection.close_code for connection in vendor.connections} == {1000}


def test_each_rerun_is_an_attempt_with_its_own_figures(project: Project, vendor: Vendor) -> None:
    project.use("figures/test_flaky.py")
    result = project.run("--dg-budget=5m", "--reruns=2", "-p", "no:randomly", env=vendor.environ)
    assert result.status == 1, result.output
    check_figures(result, vendor.wait_closed(3))
    assert [test["attempt"] for test in result.usage["tests"]] == [1, 2, 3]
    assert [test["outcome"] for test in result.usage["tests"]] == ["rerun", "rerun", "failed"]


@pytest.mark.slow
def test_figures_after_the_first_failure_stops_the_run(project: Project, vendor: Vendor) -> None:
    project.use("figures/test_first_failure.py")
    result = project.run("--dg-budget=5m", "-x", env=vendor.environ)
    assert result.status == 1, result.output
    check_figures(result, vendor.wait_closed(2))


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
@pytest.mark.parametrize(
    ("sent", "complete", "closed_by"),
    [
        (signal.SIGINT, True, {"client", "teardown"}),
        slow(signal.SIGTERM, False, {"owner-lost"}),
        slow(signal.SIGKILL, False, {"owner-lost"}),
    ],
)
def test_figures_after_a_signal_to_pytest(
    project: Project, vendor: Vendor, workers: str, sent: signal.Signals, complete: bool, closed_by: set[str]
) -> None:
    project.use("figures/test_endless.py")
    process = project.start("--dg-budget=10m", workers, env=vendor.environ)
    open_at_once = 1 if workers == "-n0" else 2
    vendor.wait_open(open_at_once)
    time.sleep(0.3)
    process.send_signal(sent)
    seen = vendor.wait_closed(open_at_once, timeout=5)
    process.communicate(timeout=40)
    usage = wait_for_report(project.path)
    result = Result(process.returncode, "", project.path)
    check_figures(result, seen)
    assert usage["run"]["complete"] is complete
    assert {session["closed_by"] for session in usage["sessions"]} <= closed_by
    assert usage["run"]["verdict"] == "interrupted"


@pytest.mark.slow
def test_figures_after_a_worker_is_killed(project: Project, vendor: Vendor) -> None:
    project.use("figures/test_killed.py")
    result = project.run("--dg-budget=10m", "-n2", env=vendor.environ)
    assert result.status == 1, result.output
    check_figures(result, vendor.wait_closed(2))
    closed_by = {s["nodeid"].rpartition("::")[2]: s["closed_by"] for s in result.usage["sessions"]}
    assert closed_by == {"test_kills_its_worker": "owner-lost", "test_other": "client"}
    assert result.outcomes() == {"test_kills_its_worker": None, "test_other": "passed"}
    assert result.usage["run"]["complete"]


def wait_for_report(path: Path) -> dict[str, Any]:
    """The gateway outlives a killed pytest for as long as it needs."""
    report = path / ".dgbudget/report/usage.json"
    deadline = time.monotonic() + 10
    while not report.exists():
        assert time.monotonic() < deadline, sorted((path / ".dgbudget").iterdir())
        time.sleep(0.01)
    return Result(0, "", path).usage
