"""Which folder is a test's, and what the end of a run says of what was recorded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_dgbudget.cassette.store import folder_of_test
from pytest_dgbudget.config.resolve import resolve
from pytest_dgbudget.model import Outcome
from pytest_dgbudget.plugin.attempt import RunningTest
from pytest_dgbudget.plugin.cassette_folders import cassette_folder
from pytest_dgbudget.plugin.cassettes import CassettesOfRun
from pytest_dgbudget.protocol.operations import GrantedAttempt
from tests.support.project import Project
from tests.support.vendor import Vendor


def report(**noted: Any) -> pytest.TestReport:
    return cast("pytest.TestReport", SimpleNamespace(nodeid="test_it.py::test_it", dgbudget_cassettes=noted))


def said(*reports: pytest.TestReport, record: str = "rewrite") -> list[str | None]:
    gathered = CassettesOfRun(record)
    for each in reports:
        gathered.pytest_runtest_logreport(each)
    return [gathered.made_line(), *gathered.problem_lines()]


def test_the_end_says_how_many_were_recorded_how_long_they_are_and_where() -> None:
    one, other = {"folder": "a/cassettes", "count": 1, "ms": 59_400}, {"folder": "b", "count": 2, "ms": 5000}
    assert said(report(**one)) == ["recorded 1 cassette (0:59) in a/cassettes"]
    assert said(report(**other), report(**one)) == ["recorded 3 cassettes (1:04) in a/cassettes, b"]
    folders = [report(folder=name, count=1, ms=1_500_000) for name in "edcba"]
    assert said(*folders) == ["recorded 5 cassettes (125:00) in a, b, c and 2 other folders"]


def test_the_end_names_the_tests_whose_sessions_became_none_and_why() -> None:
    assert said(report(), report(problem="the gateway died")) == [
        None,
        "test_it.py::test_it: no cassette was recorded, and none was replaced: the gateway died",
    ]


def test_that_none_was_replaced_is_said_only_where_that_was_asked_for() -> None:
    assert said(report(problem="the gateway died"), record="once") == [
        None,
        "test_it.py::test_it: no cassette was recorded: the gateway died",
    ]


def test_a_test_has_one_folder_in_whatever_group_it_is_run(tmp_path: Path) -> None:
    given = resolve(command_line={}, environment={}, ini={}, rootdir=tmp_path, current_dir=tmp_path)
    fields = {"path": tmp_path / "test_it.py", "name": "test_it[a@b]", "parent": SimpleNamespace(nodeid="test_it.py")}
    nodeid = "test_it.py::test_it[a@b]"
    folders = {
        cassette_folder(cast("pytest.Item", SimpleNamespace(nodeid=each, **fields)), given)
        for each in (nodeid, f"{nodeid}@group")  # as xdist's workers have it with --dist=loadgroup
    }
    assert folders == {folder_of_test(None, tmp_path / "test_it.py", nodeid)}


def phase(when: str, outcome: str, **more: Any) -> pytest.TestReport:
    fields = {"when": when, "passed": outcome == "passed", "failed": outcome == "failed", **more}
    return cast("pytest.TestReport", SimpleNamespace(**fields))


PASSED = [phase("setup", "passed"), phase("call", "passed"), phase("teardown", "passed")]


@pytest.mark.parametrize(
    ("phases", "outcome", "passes"),
    [
        (PASSED, None, True),
        (PASSED[2:], "passed", True),  # its session was opened in the teardown
        (PASSED, "failed", False),  # by a subtest
        ([PASSED[0], phase("call", "failed"), PASSED[2]], "failed", False),
        ([phase("setup", "failed"), PASSED[2]], "error", False),
        ([PASSED[0], phase("call", "skipped"), PASSED[2]], "skipped", False),
        ([PASSED[0], phase("call", "skipped", wasxfail=""), PASSED[2]], "xfailed", False),
        ([PASSED[0], phase("call", "passed", wasxfail=""), PASSED[2]], "xpassed", False),
        ([*PASSED[:2], phase("teardown", "failed")], "passed", False),
    ],
)
def test_an_attempt_has_passed_when_its_body_has_and_nothing_failed(
    phases: list[pytest.TestReport], outcome: Outcome | None, *, passes: bool
) -> None:
    granted = GrantedAttempt(id="a", number=1, budget_seconds=None, recordings=None, token="t")
    running = RunningTest(granted, 0, None)
    assert [running.takes_in(each, outcome) for each in phases] == [True] * len(phases)
    assert not running.takes_in(phases[-1], outcome)
    assert (running.has_passed and not running.has_failed) == passes


def test_where_every_worker_runs_every_test_nothing_is_recorded(project: Project, vendor: Vendor) -> None:
    project.write("test_it.py", "def test_it(): pass\n")
    arguments = ("--dg-target=live", "--dg-budget=1m", "--dg-record=once")
    result = project.run(*arguments, "-n2", "--dist=each", env=vendor.environ)
    assert result.status == pytest.ExitCode.USAGE_ERROR
    assert "--dist=each every worker runs every test: leave one of the two out" in result.output
