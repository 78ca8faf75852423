"""Children that a test forks, and threads that it leaves: they hold no session open and keep no dead owner alive."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.slow import quick_only
from tests.support.vendor import Vendor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

CHILDREN = [
    "fork",
    "multiprocessing",
    "pool",
    "fork by C, of which Python does not know",
    "subprocess",
]


@pytest.mark.parametrize("child", quick_only([*CHILDREN[:3], CHILDREN[4]], "fork"))
def test_i5_a_child_that_outlives_pytest_keeps_none_of_its_sessions(
    project: Project, vendor: Vendor, child: str
) -> None:
    project.use("forks/conftest.py", "forks/test_outlives_pytest.py")
    process = project.start(
        "--dg-budget=10m", "-W", "ignore::DeprecationWarning", env={**vendor.environ, "CHILD": child}
    )
    vendor.wait_open(1)
    pid = written_pid(project.path / "child")
    process.kill()
    killed_at = time.monotonic()
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - killed_at < 1
    wait_until((project.path / ".dgbudget/report/usage.json").exists)
    os.kill(pid, signal.SIGKILL)


def test_i5_a_child_that_python_did_not_fork_keeps_no_session_of_a_killed_pytest(
    project: Project, vendor: Vendor
) -> None:
    project.use_adversary("test_forks.py")
    process = project.start("--dg-budget=10m", env=vendor.environ)
    vendor.wait_open(1)
    process.kill()
    killed_at = time.monotonic()
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - killed_at < 1
    project.kill(process)


@pytest.mark.slow
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_that_outlives_its_test_keeps_none_of_its_sessions(
    project: Project, vendor: Vendor, child: str
) -> None:
    """Nor its gateway: the run ends as if there was no child."""
    project.use("forks/conftest.py", "forks/test_outlives_its_test.py")
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env={**vendor.environ, "CHILD": child})
    assert result.status == 0, result.output
    first, _ = vendor.wait_closed(2)
    assert first.seconds < 10
    assert result.usage["run"]["complete"]


@pytest.mark.slow
def test_what_a_forked_child_has_is_nothing_of_ours(project: Project, vendor: Vendor) -> None:
    project.use("forks/test_has_nothing.py")
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    assert result.status == 0, result.output


def test_what_a_forked_child_uses_of_its_parents_works_or_fails_at_once(project: Project, vendor: Vendor) -> None:
    project.use("forks/test_uses_in_child.py")
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    assert result.status == 0, result.output
    assert (result.usage["run"]["sessions"], result.usage["run"]["complete"]) == (3, True)


@pytest.mark.slow
def test_a_child_that_goes_on_into_pytest_ends_and_reports_nothing_of_its_parents(
    project: Project, vendor: Vendor
) -> None:
    project.use("forks/test_goes_on.py")
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    assert result.status == 0, result.output
    assert (project.path / "child").read_text() == "1"
    assert result.outcomes() == {"test_forks": "passed", "test_after": "passed"}
    assert (result.usage["run"]["sessions"], result.usage["run"]["complete"]) == (3, True)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["some of them", "all of them"])
def test_tests_that_run_in_forked_children_are_metered_and_judged(project: Project, vendor: Vendor, which: str) -> None:
    project.use("forks/forked")
    environ = {**vendor.environ, **({"ALL_FORKED": "yes"} if which == "all of them" else {})}
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=environ)
    assert "1 failed, 3 passed" in result.output
    assert "BudgetExceeded" in result.output
    assert result.status == 1
    run = result.usage["run"]
    assert (run["sessions"], run["verdict"]) == (4, "overrun")


@pytest.mark.slow
def test_a_thread_that_outlives_the_suite_keeps_no_session(project: Project, vendor: Vendor) -> None:
    project.use("forks/test_leaves_a_thread.py")
    started_at = time.monotonic()
    result = project.run("--dg-budget=10m", env=vendor.environ)
    (seen,) = vendor.wait_closed(1)
    assert result.status == 0, result.output
    assert seen.seconds < 3
    assert time.monotonic() - started_at < 30
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "teardown"


def written_pid(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())
