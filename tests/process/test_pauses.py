"""The machine stands still: a stall that the system sees, and a suspend during which its timers stand still, too."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import datetime

import pytest

from pytest_dgbudget.units import parse_time
from tests.support.processes import gateway_of
from tests.support.project import Project
from tests.support.vendor import Vendor


def _stalled_ms(output: str) -> int:
    """Return the longest stall that a summary names; it counts from when the gateway would have looked next, so that
    up to 0.1 s of it is missing where a message wakes the gateway before that."""
    stalled = re.search("stood still while sessions were open, at the longest for (.+): what was due", output)
    assert stalled is not None
    return parse_time(stalled[1])


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the jump is made on Linux's clock")
def test_i3_after_a_suspend_sessions_past_their_deadline_are_cut_at_once_and_charged_for_it(
    project: Project, vendor: Vendor
) -> None:
    project.use("pauses/suspend", "pauses/test_sleeps.py")
    environ = {**vendor.environ, **project.importable, "TEST_BUDGET": "30s"}
    process = project.start("--dg-budget=40s", "--dg-idle-timeout=off", "--dg-reconcile=off", env=environ)
    vendor.wait_open(1)
    project.write("suspended", "")
    resumed_at = time.monotonic()
    (seen,) = vendor.wait_closed(1)
    result = project.result(process)
    assert seen.closed_at is not None
    print(f"closed {(seen.closed_at - resumed_at) * 1000:.0f} ms after the machine went on")
    assert seen.closed_at - resumed_at < 2
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "test-budget"
    assert 60 <= session["seconds"] < 65
    run = result.usage["run"]
    assert run["overshoot_seconds"] == pytest.approx(session["seconds"] - 30, abs=0.001)
    assert result.outcomes() == {"test_sleeps": "failed", "test_after": "failed"}
    assert "run budget of 40s nearly spent" in result.output
    assert 59_800 < _stalled_ms(result.output) < 65_000


@pytest.mark.slow
def test_i3_after_a_stall_sessions_past_their_deadline_are_cut_at_once_and_charged_for_it(
    project: Project, vendor: Vendor
) -> None:
    project.use("pauses/test_sleeps.py")
    process = project.start("--dg-budget=3s", "--dg-reconcile=off", env={**vendor.environ, "TEST_BUDGET": "1.5s"})
    gateway = gateway_of(process.pid)
    (seen,) = vendor.wait_open(1)
    os.kill(gateway, signal.SIGSTOP)
    time.sleep(2.2)  # beyond the deadline, and less than the owners allow a gateway to hang
    os.kill(gateway, signal.SIGCONT)
    resumed_at = time.monotonic()
    vendor.wait_closed(1)
    result = project.result(process)
    assert seen.closed_at is not None
    assert seen.closed_at - resumed_at < 1
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "test-budget"
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.1)
    assert result.usage["run"]["overshoot_seconds"] == pytest.approx(session["seconds"] - 1.5, abs=0.001)
    assert _stalled_ms(result.output) > 2000


@pytest.mark.slow
@pytest.mark.parametrize("hours", [1, -1])
def test_durations_do_not_depend_on_the_wall_clock(project: Project, vendor: Vendor, hours: int) -> None:
    project.use("pauses/step")
    environ = {**vendor.environ, **project.importable, "STEP_HOURS": str(hours)}
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    (seen,) = vendor.wait_closed(1)
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "test-budget"
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.1)
    assert 1.7 < session["seconds"] <= 2
    assert result.usage["run"]["used_seconds"] == session["seconds"]
    opened, closed = (datetime.fromisoformat(session[at].replace("Z", "+00:00")) for at in ("opened_at", "closed_at"))
    assert (closed - opened).total_seconds() == pytest.approx(hours * 3600, abs=60), "the wall clock did jump"
