"""A session is cut at its deadline whatever the test does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from tests.support.project import Project
from tests.support.vendor import Seen, Vendor

# A budget of 2 s keeps a margin of 10 %: the Close is due 1.8 s after the dial.
BUDGET, DUE = 2.0, 1.8

ADVERSARIES = {
    "sleeps": "time.sleep(3)",
    "holds-the-gil": "re.match('(a|a)*$', 'a' * 27 + 'b')",
    "is-stopped": "open('pid', 'w').write(str(os.getpid())); os.kill(os.getpid(), signal.SIGSTOP)",
    "sits-in-a-debugger": "breakpoint()",
}


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_i4_the_server_sees_the_close_at_the_deadline(project: Project, vendor: Vendor, adversary: str) -> None:
    project.write(
        "test_adversary.py",
        f"""
import os, re, signal, time
import pytest

@pytest.mark.dg_budget("2s")
def test_overruns(voice_agent):
    with voice_agent.connect():
        {ADVERSARIES[adversary]}
""",
    )
    if adversary == "sits-in-a-debugger":
        project.write("sitecustomize.py", "")
        project.write("waiting_debugger.py", "import time\ndef stop(*args, **kwargs): time.sleep(3)\n")
        extra = {"PYTHONBREAKPOINT": "waiting_debugger.stop", "PYTHONPATH": str(project.path)}
    else:
        extra = {}
    process = project.start("--dg-budget=10m", env={**vendor.environ, **extra})
    vendor.wait_open(1)
    (seen,) = vendor.wait_closed(1)
    if adversary == "is-stopped":
        os.kill(int((project.path / "pid").read_text()), signal.SIGCONT)
    result = project.result(process)
    assert seen.close_seen_at is not None
    print(f"lateness of the Close: {(seen.close_seen_at - seen.opened_at - DUE) * 1000:.1f} ms")
    (session,) = result.usage["sessions"]
    # Metered from the dial on, of which the server knows when it has answered.
    assert DUE - 0.1 - session["handshake_seconds"] < seen.close_seen_at - seen.opened_at < BUDGET
    assert seen.close_code == 1000
    assert seen.seconds <= BUDGET
    assert result.status == 1, result.output
    assert "BudgetExceeded" in result.output
    assert session["closed_by"] == "test-budget"
    assert session["close_code"] == 4402


async def never_answers(connection: ServerConnection, seen: Seen) -> None:
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    connection.transport.pause_reading()
    await asyncio.sleep(3)
    connection.transport.abort()


def test_i3_a_server_that_does_not_answer_the_close_is_aborted_within_the_allowance(project: Project) -> None:
    project.write(
        "test_deaf.py",
        """
import time, pytest

@pytest.mark.dg_budget("2s")
def test_overruns(voice_agent):
    with voice_agent.connect():
        time.sleep(3)
""",
    )
    with Vendor(never_answers) as vendor:
        result = project.run("--dg-budget=10m", env=vendor.environ)
        vendor.wait_closed(1)
    assert result.status == 1
    (session,) = result.usage["sessions"]
    assert 1.8 < session["seconds"] <= BUDGET
    assert not session["confirmed"]
    assert result.usage["run"]["overshoot_seconds"] == 0


def test_i3_many_sessions_of_one_test_stay_within_its_allowance_together(project: Project) -> None:
    project.write(
        "test_many.py",
        """
import asyncio, pytest

@pytest.mark.asyncio
@pytest.mark.dg_budget("10s")
async def test_ten(voice_agent):
    sessions = await asyncio.gather(*(voice_agent.connect() for _ in range(10)))
    await asyncio.sleep(2)
""",
    )
    with Vendor(never_answers) as vendor:
        result = project.run("--dg-budget=10m", env=vendor.environ)
    assert result.status == 1, result.output
    run = result.usage["run"]
    assert run["sessions"] == 10
    assert run["used_seconds"] <= 10
    assert run["overshoot_seconds"] == 0
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"test-budget"}


def test_i5_sessions_of_a_dead_owner_are_closed_within_a_second(project: Project, vendor: Vendor) -> None:
    """Also when a forked child holds on to everything that its parent had open."""
    project.write(
        "test_forks.py",
        """
import os, time

def test_forks(voice_agent):
    with voice_agent.connect():
        if os.fork() == 0:
            time.sleep(8)
            os._exit(0)
        time.sleep(60)
""",
    )
    process = project.start("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    vendor.wait_open(1)
    time.sleep(0.3)
    killed_at = time.monotonic()
    process.kill()
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    print(f"closed {(seen.closed_at - killed_at) * 1000:.1f} ms after the kill")
    assert seen.closed_at - killed_at < 1
    os.killpg(process.pid, signal.SIGKILL)
    _wait_for(project.path / ".dgbudget/report/usage.json")


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
