"""Owners that vanish: pytest, a worker, the controller, a cancelled CI job. Their sessions are closed at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.conftest import Project, Result
from tests.gateways import children_of, wait_until
from tests.ledgers import ends_of_leases
from tests.vendor import Vendor

# The aim is 100 ms; machines that run tests are busy.
AT_ONCE_SECONDS = 1.0

ENDLESS = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("n", range(2))
def test_endless(voice_agent, n):
    with voice_agent.connect():
        Path(f"pid-{os.getpid()}").touch()
        time.sleep(120)
"""


def pytest_itself(project: Project, process: subprocess.Popen[str]) -> int:
    return process.pid


def one_worker(project: Project, process: subprocess.Popen[str]) -> int:
    return int(next(project.path.glob("pid-*")).name.removeprefix("pid-"))


@pytest.mark.parametrize(
    ("workers", "victim", "closed"),
    [("-n0", pytest_itself, 1), ("-n2", one_worker, 1), ("-n2", pytest_itself, 2)],
    ids=["pytest", "worker", "controller"],
)
def test_i5_sessions_of_a_killed_owner_are_closed_at_once(
    project: Project,
    vendor: Vendor,
    workers: str,
    victim: Callable[[Project, subprocess.Popen[str]], int],
    closed: int,
) -> None:
    project.write("test_it.py", ENDLESS)
    process = project.start("--dg-budget=10m", "--max-worker-restart=0", workers, env=vendor.environ)
    vendor.wait_open(1 if workers == "-n0" else 2)
    wait_until(lambda: any(project.path.glob("pid-*")))
    os.kill(victim(project, process), signal.SIGKILL)
    killed_at = time.monotonic()
    wait_until(lambda: sum(seen.closed_at is not None for seen in vendor.connections) == closed)
    late = max(seen.closed_at - killed_at for seen in vendor.connections if seen.closed_at is not None)
    print(f"closed {late * 1000:.1f} ms after the kill")
    assert late < AT_ONCE_SECONDS
    process.kill()


def test_i10_a_killed_pytest_leaves_a_report_and_the_next_run_charges_nothing_twice(
    project: Project, vendor: Vendor
) -> None:
    project.write("test_it.py", ENDLESS)
    process = project.start("--dg-budget=3m", "--dg-run-id=one", "--dg-reconcile=off", env=vendor.environ)
    vendor.wait_open(1)
    process.kill()
    killed = project.result(process)
    wait_until(lambda: (project.path / ".dgbudget/report/usage.json").exists())
    run = killed.usage["run"]
    assert (run["complete"], run["verdict"], run["at_risk_seconds"]) == (False, "interrupted", 0)
    vendor.wait_closed(1)
    project.write("test_it.py", "def test_short(voice_agent):\n    with voice_agent.connect(): pass\n")
    again = project.run("--dg-budget=3m", "--dg-run-id=one", "--dg-reconcile=off", env=vendor.environ)
    assert again.status == 0, again.output
    assert again.usage["run"]["used_seconds"] == pytest.approx(vendor.total_seconds, abs=0.1)
    assert ends_of_leases(project.path) == ["settled", "settled"]


@pytest.mark.slow
def test_when_the_controller_is_killed_nothing_is_left_of_its_workers_either(project: Project, vendor: Vendor) -> None:
    """Their own teardown hangs: execnet ends them, and the sessions were closed long before."""
    project.write(
        "test_it.py",
        ENDLESS + "\n@pytest.fixture(autouse=True)\ndef stuck():\n    yield\n    time.sleep(120)\n",
    )
    process = project.start("--dg-budget=10m", "-n2", env=vendor.environ)
    vendor.wait_open(2)
    workers = children_of(process.pid)
    process.kill()
    vendor.wait_closed(2, timeout=AT_ONCE_SECONDS)
    wait_until(lambda: not any(is_alive(worker) for worker in workers), timeout=30)


@pytest.mark.parametrize(
    "breaks",
    [
        "def pytest_runtest_logfinish(nodeid):\n    if 'breaks' in nodeid and in_worker: raise RuntimeError('mine')\n",
        "def pytest_runtest_logfinish(nodeid):\n    if 'breaks' in nodeid and in_worker: pytest.exit('enough')\n",
    ],
    ids=["internal error", "exit"],
)
def test_what_a_worker_used_is_counted_once_when_it_breaks(project: Project, vendor: Vendor, breaks: str) -> None:
    project.write("conftest.py", f"import os, pytest\nin_worker = 'PYTEST_XDIST_WORKER' in os.environ\n{breaks}")
    project.write(
        "test_it.py",
        """
import time

def test_breaks(voice_agent):
    with voice_agent.connect():
        time.sleep(0.3)

def test_other(voice_agent):
    with voice_agent.connect():
        time.sleep(0.3)
""",
    )
    result = project.run("--dg-budget=10m", "-n2", "--dg-reconcile=off", env=vendor.environ)
    assert result.status != 0
    seen = vendor.wait_closed(1)
    assert result.usage["run"]["sessions"] == len(seen)
    assert result.usage["run"]["used_seconds"] == pytest.approx(vendor.total_seconds, abs=0.1)
    assert set(ends_of_leases(project.path)) == {"settled"}


def test_i10_a_job_that_is_cancelled_step_by_step_has_closed_and_reported_before_the_kill(
    project: Project, vendor: Vendor
) -> None:
    """A runner's way: SIGINT, SIGTERM, SIGKILL. The shell in between swallows the first, and its children don't."""
    project.write(
        "test_it.py", ENDLESS + "\n@pytest.fixture(autouse=True)\ndef stuck():\n    yield\n    time.sleep(60)\n"
    )
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    for sent in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(sent)
        time.sleep(0.5)
    process.kill()
    vendor.wait_closed(1, timeout=AT_ONCE_SECONDS)
    wait_until(lambda: (project.path / ".dgbudget/report/usage.json").exists())
    usage = Result(0, "", project.path).usage
    assert (usage["run"]["verdict"], usage["run"]["sessions"]) == ("interrupted", 1)


def test_i4_a_job_that_is_cancelled_without_any_signal_ends_its_sessions_at_their_deadline(
    project: Project, vendor: Vendor
) -> None:
    """Its runner is gone and nobody reads its output any more."""
    project.write("test_it.py", ENDLESS.replace("@pytest", '@pytest.mark.dg_budget("1.5s")\n@pytest', 1))
    process = project.start("-s", "--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    assert process.stdout is not None
    process.stdout.close()
    (seen,) = vendor.wait_closed(1)
    assert seen.seconds <= 1.5
    process.kill()
    process.wait()


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123 - a file of the system
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
