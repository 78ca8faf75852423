"""The machine stands still: a stall that the system sees, and a suspend during which its timers stand still, too."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime

import pytest

from tests.support.processes import gateway_of
from tests.support.project import Project
from tests.support.vendor import Vendor

# A suspend, as programs see it: the clock that counts it has jumped, all others and every timer stood still.
SUSPEND = """
import os, time

FLAG = os.path.join(os.path.dirname(__file__), "suspended")
_seconds, _nanoseconds = time.clock_gettime, time.clock_gettime_ns

def _slept(clock):
    return 60 if clock == time.CLOCK_BOOTTIME and os.path.exists(FLAG) else 0

time.clock_gettime = lambda clock: _seconds(clock) + _slept(clock)
time.clock_gettime_ns = lambda clock: _nanoseconds(clock) + _slept(clock) * 1_000_000_000
"""

TESTS = """
import time, pytest

@pytest.mark.dg_budget("{budget}")
def test_sleeps(voice_agent):
    with voice_agent.connect():
        time.sleep(4)

def test_after(voice_agent):
    voice_agent.connect().__enter__()
"""


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the jump is made on Linux's clock")
def test_i3_behind_a_suspend_sessions_past_their_deadline_are_cut_at_once_and_charged_for_it(
    project: Project, vendor: Vendor
) -> None:
    project.write("sitecustomize.py", SUSPEND)
    project.write("test_suspended.py", TESTS.format(budget="30s"))
    environ = {**vendor.environ, "PYTHONPATH": str(project.path)}
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


def test_i3_behind_a_stall_sessions_past_their_deadline_are_cut_at_once_and_charged_for_it(
    project: Project, vendor: Vendor
) -> None:
    project.write("test_stalled.py", TESTS.format(budget="1.5s"))
    process = project.start("--dg-budget=3s", "--dg-reconcile=off", env=vendor.environ)
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


# A wall clock that is set, by hand, by NTP or for a test: whatever reads it, from whichever module.
STEP = """
import datetime, os, time

_time = time.time

def _step():
    return {hours} * 3600 if os.path.exists({flag!r}) else 0

class _Stepped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=_step())

time.time = lambda: _time() + _step()
time.time_ns = lambda: int(time.time() * 1e9)
datetime.datetime = _Stepped
"""


@pytest.mark.parametrize("hours", [1, -1])
def test_durations_do_not_depend_on_the_wall_clock(project: Project, vendor: Vendor, hours: int) -> None:
    project.write("sitecustomize.py", STEP.format(flag=str(project.path / "stepped"), hours=hours))
    project.write(
        "test_step.py",
        """
import time, pytest

@pytest.mark.dg_budget("2s")
def test_overruns(voice_agent):
    with voice_agent.connect():
        open("stepped", "w").close()
        time.sleep(3)
""",
    )
    environ = {**vendor.environ, "PYTHONPATH": str(project.path)}
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    (seen,) = vendor.wait_closed(1)
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "test-budget"
    assert session["seconds"] == pytest.approx(seen.seconds, abs=0.1)
    assert 1.7 < session["seconds"] <= 2
    assert result.usage["run"]["used_seconds"] == session["seconds"]
    opened, closed = (datetime.fromisoformat(session[at].replace("Z", "+00:00")) for at in ("opened_at", "closed_at"))
    assert (closed - opened).total_seconds() == pytest.approx(hours * 3600, abs=60), "the wall clock did jump"
