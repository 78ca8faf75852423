"""Owners that vanish: pytest, a worker, the controller, a cancelled CI job. Their sessions are closed at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_dgbudget.ledger.run_lock import is_live
from tests.support.ledger import ends_of_leases, rows_of
from tests.support.processes import children_of, gateway_of, wait_until
from tests.support.project import PYTEST, Project, Result
from tests.support.vendor import Vendor

# The aim is 100 ms; machines that run tests are busy.
AT_ONCE_SECONDS = 1.0


def pytest_itself(project: Project, process: subprocess.Popen[str]) -> int:
    return process.pid


def one_worker(project: Project, process: subprocess.Popen[str]) -> int:
    return int(next(project.path.glob("pid-*")).name.removeprefix("pid-"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "victim", "closed"),
    [
        pytest.param("-n0", pytest_itself, 1, id="pytest"),
        pytest.param("-n2", one_worker, 1, id="worker"),
        pytest.param("-n2", pytest_itself, 2, id="controller"),
    ],
)
def test_i5_sessions_of_a_killed_owner_are_closed_at_once(
    project: Project,
    vendor: Vendor,
    workers: str,
    victim: Callable[[Project, subprocess.Popen[str]], int],
    closed: int,
) -> None:
    project.use_adversary("test_sleeps.py")
    process = project.start("--dg-budget=10m", "--max-worker-restart=0", workers, env=vendor.environ)
    vendor.wait_open(1 if workers == "-n0" else 2)
    wait_until(lambda: any(project.path.glob("pid-*")))
    os.kill(victim(project, process), signal.SIGKILL)
    killed_at = time.monotonic()
    wait_until(lambda: sum(seen.closed_at is not None for seen in vendor.connections) == closed)
    late = max(seen.closed_at - killed_at for seen in vendor.connections if seen.closed_at is not None)
    print(f"closed {late * 1000:.1f} ms after the kill")
    assert late < AT_ONCE_SECONDS
    assert sum(seen.closed_at is None for seen in vendor.connections) == (1 if victim is one_worker else 0)
    process.kill()


def test_i5_the_session_of_a_test_that_exits_is_closed_at_once(project: Project, vendor: Vendor) -> None:
    project.use_adversary("test_exits.py")
    result = project.run("--dg-budget=10m", env=vendor.environ)
    assert result.status == 3, result.output
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - project.noted("over") < AT_ONCE_SECONDS


def test_i5_a_pytest_that_is_killed_while_its_gateway_starts_leaves_none(project: Project, vendor: Vendor) -> None:
    """Even if it was killed before it had told its gateway what to do, of which that one complains."""
    project.expects_log = True
    project.use("killed/test_endless.py")
    process = project.start("--dg-budget=10m", env=vendor.environ)
    gateway = gateway_of(process.pid)
    process.kill()
    wait_until(lambda: not is_alive(gateway))
    vendor.wait_closed(0)


def test_i10_a_killed_pytest_leaves_a_report_and_the_next_run_charges_nothing_twice(
    project: Project, vendor: Vendor
) -> None:
    project.use("killed/test_endless.py")
    process = project.start("--dg-budget=3m", "--dg-run-id=one", "--dg-reconcile=off", env=vendor.environ)
    vendor.wait_open(1)
    process.kill()
    killed = project.result(process)
    wait_until(lambda: (project.path / ".dgbudget/report/usage.json").exists())
    wait_until(lambda: not is_live(project.path / ".dgbudget", "one"))  # else the id would still be in use
    run = killed.usage["run"]
    assert (run["complete"], run["verdict"], run["at_risk_seconds"]) == (False, "interrupted", 0)
    assert rows_of(project.path, "SELECT exit_status FROM invocation_end") == [(None,)]
    vendor.wait_closed(1)
    project.use("killed/test_short.py")
    again = project.run("test_short.py", "--dg-budget=3m", "--dg-run-id=one", "--dg-reconcile=off", env=vendor.environ)
    assert again.status == 0, again.output
    assert vendor.saw(again.usage, within=0.1), vendor.connections
    assert ends_of_leases(project.path) == ["settled", "settled"]


@pytest.mark.slow
def test_when_the_controller_is_killed_nothing_is_left_of_its_workers_either(project: Project, vendor: Vendor) -> None:
    """Their own teardown hangs: execnet ends them, and all of ours was over long before."""
    project.use("killed/test_endless.py")
    process = project.start("--dg-budget=10m", "-n2", env={**vendor.environ, "STUCK": "1"})
    vendor.wait_open(2)
    gateway = gateway_of(process.pid)
    workers = [child for child in children_of(process.pid) if child != gateway]
    process.kill()
    vendor.wait_closed(2, timeout=AT_ONCE_SECONDS)
    wait_until((project.path / ".dgbudget/report/usage.json").exists)
    wait_until(lambda: not is_alive(gateway))
    assert [is_alive(worker) for worker in workers] == [True, True], "execnet gives them 15 s"
    wait_until(lambda: not any(is_alive(worker) for worker in workers), timeout=30)
    assert ends_of_leases(project.path) == ["settled", "settled"]


def test_a_worker_in_place_of_a_killed_one_inherits_nothing_of_it(project: Project, vendor: Vendor) -> None:
    """Neither token nor session, and what was set aside for the lost test is free again: 60 s of 70."""
    project.use("killed/test_inherits.py")
    result = project.run("--dg-budget=70s", "--dg-reconcile=off", "-n1", env=vendor.environ)
    assert result.outcomes() == {"test_is_killed": None, "test_comes_after": "passed"}, result.output
    first, second = vendor.wait_closed(2)
    assert first.closed_at is not None
    assert first.closed_at < second.opened_at
    assert [(test["attempt"], test["sessions"]) for test in result.usage["tests"]] == [(1, 1), (1, 1)]
    assert ends_of_leases(project.path) == ["settled", "settled"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hook", "how"),
    [
        ("in mid-session", "error"),
        ("after the test", "exit"),
        ("in mid-session", "exit"),
        ("after the test", "error"),
    ],
)
def test_what_a_worker_used_is_counted_once_when_it_breaks(
    project: Project, vendor: Vendor, hook: str, how: str
) -> None:
    """xdist does not say that such a worker is down, or says it twice."""
    project.use("worker_breaks")
    environ = {**vendor.environ, "HOOK": hook, "HOW": how}
    result = project.run("--dg-budget=10m", "-n1", "--dg-reconcile=off", env=environ)
    assert result.status != 0
    seen = vendor.wait_closed(1)
    assert result.usage["run"]["sessions"] == len(seen)
    assert result.usage["run"]["used_seconds"] == pytest.approx(vendor.total_seconds, abs=0.1)
    assert ends_of_leases(project.path) == ["settled"] * len(seen)


SHELLS = {
    "waits": '"$@"; true',
    "swallows SIGINT": 'trap "" INT; "$@"; true',
}
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="runners start jobs with bash")


def start_job(project: Project, vendor: Vendor, script: str) -> subprocess.Popen[str]:
    """Start pytest as a runner does, below a shell; its own end takes long."""
    project.use("killed/test_endless.py")
    command = ["bash", "-c", script, "job", *PYTEST, "--dg-budget=10m"]
    job = project.launch(command, env={**vendor.environ, "STUCK": "1"})
    vendor.wait_open(1)
    return job


def check_cancelled(project: Project, vendor: Vendor) -> None:
    vendor.wait_closed(1, timeout=AT_ONCE_SECONDS)
    wait_until((project.path / ".dgbudget/report/usage.json").exists, timeout=AT_ONCE_SECONDS)
    usage = Result(0, "", project.path).usage
    assert (usage["run"]["verdict"], usage["run"]["sessions"]) == ("interrupted", 1)
    assert usage["run"]["used_seconds"] == pytest.approx(vendor.total_seconds, abs=0.1)
    assert ends_of_leases(project.path) == ["settled"]


@pytest.mark.slow
@needs_bash
@pytest.mark.parametrize("shell", SHELLS)
def test_i10_a_job_that_is_cancelled_step_by_step_has_closed_and_reported_before_the_kill(
    project: Project, vendor: Vendor, shell: str
) -> None:
    """A runner's way: SIGINT to all of the job, then SIGTERM, then SIGKILL. What a shell ignores, its children do."""
    job = start_job(project, vendor, SHELLS[shell])
    os.killpg(job.pid, signal.SIGINT)
    time.sleep(0.5)  # a runner waits 7.5 s
    os.killpg(job.pid, signal.SIGTERM)
    check_cancelled(project, vendor)  # and then 2.5 s
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)


@pytest.mark.slow
@needs_bash
def test_i5_a_job_of_which_the_shell_alone_is_told_closes_at_the_kill(project: Project, vendor: Vendor) -> None:
    job = start_job(project, vendor, SHELLS["swallows SIGINT"])
    job.send_signal(signal.SIGINT)
    job.terminate()
    assert job.wait(10) == -signal.SIGTERM
    assert vendor.connections[0].closed_at is None, "pytest knows of nothing"
    os.killpg(job.pid, signal.SIGKILL)
    check_cancelled(project, vendor)


@pytest.mark.slow
def test_i4_a_job_that_is_cancelled_without_any_signal_ends_its_sessions_at_their_deadline(
    project: Project, vendor: Vendor
) -> None:
    """Its runner is gone and nobody reads its output any more."""
    project.use("killed/test_within_a_budget.py")
    process = project.start("-s", "--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    assert process.stdout is not None
    process.stdout.close()
    (seen,) = vendor.wait_closed(1)
    assert seen.seconds <= 1.5
    assert process.poll() is None, "nobody stops it"
    assert wait_for_end_of_lease(project.path) == "settled"
    process.kill()
    process.wait()


def wait_for_end_of_lease(project: Path) -> str | None:
    wait_until(lambda: ends_of_leases(project) != [None])
    (end,) = ends_of_leases(project)
    return end


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123 - a file of the system
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
