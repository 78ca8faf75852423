"""A gateway that dies while it starts: it is replaced at once, or the report says that there was none."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import Vendor


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_gateway_that_dies_while_it_starts_is_replaced_at_once(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("dies_at_start", "disk/test_one.py")
    environ = {**vendor.environ, **project.importable, "MOST_DEATHS": "1"}
    result = project.run("--dg-budget=10m", "--dg-reconcile=off", "--durations=0", "-vv", workers, env=environ)
    assert result.status == 0, result.output
    (setup,) = re.findall(r"([\d.]+)s setup", result.output)
    assert float(setup) < 12  # The patience with a gateway that says nothing is fifteen seconds.
    assert "a gateway died and was replaced: it ended with status -9" in result.output
    assert result.usage["run"]["sessions"] == 1


def test_a_run_whose_gateways_all_die_is_reported_and_no_earlier_report_is_left_in_its_place(
    project: Project, vendor: Vendor
) -> None:
    project.use("dies_at_start", "disk/test_one.py")
    project.expects_log = True
    project.write(".dgbudget/report/usage.json", json.dumps({"run": {"id": "first", "verdict": "within"}}))
    environ = {**vendor.environ, **project.importable, "MOST_DEATHS": "99"}
    result = project.run("--dg-budget=10m", "--dg-run-id=second", env=environ)
    assert result.status == 1, result.output
    assert (project.path / "deaths").read_text() == "xxx"
    run = result.usage["run"]
    assert (run["id"], run["complete"], run["verdict"]) == ("second", False, "interrupted")
    assert "no gateway could be started" in result.usage["notices"][0]
    assert result.usage["reconciliation"]["verdict"] == "inconclusive"
    earlier = json.loads((project.path / ".dgbudget/report/usage.earlier.json").read_text())
    assert earlier["run"]["id"] == "first"
    assert vendor.billed() == []


@pytest.mark.slow
def test_a_later_invocation_that_opens_no_session_leaves_the_runs_figures_in_the_report(
    project: Project, vendor: Vendor
) -> None:
    project.use("disk/test_one.py", "unused/test_it.py")
    first = project.run("--dg-budget=10m", "--dg-run-id=ci", "test_one.py", env=vendor.environ).usage
    second = project.run("--dg-budget=10m", "--dg-run-id=ci", "test_it.py", env=vendor.environ)
    assert first["run"]["sessions"] == 1
    assert "in 1 session" in second.output
    for part in ("tests", "sessions", "reconciliation"):
        assert second.usage[part] == first[part]
    assert second.usage["run"]["used_seconds"] == first["run"]["used_seconds"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["-k", "nothing"], 5), (["test_broken.py"], 2), (["no_such_file.py"], 4), (["--collect-only"], 0), (["-n2"], 1)],
    ids=["deselected", "collection error", "no such file", "collect only", "xdist"],
)
def test_a_later_invocation_without_a_test_that_asks_leaves_the_runs_figures_however_it_ends(
    project: Project, vendor: Vendor, arguments: list[str], status: int
) -> None:
    project.use("disk/test_one.py", "unused/test_it.py")
    project.write("test_broken.py", "import no_such_module\n")
    options = ("--dg-budget=10m", "--dg-run-id=ci")
    first = project.run(*options, "test_one.py", env=vendor.environ).usage
    second = project.run(*options, "test_it.py", *arguments, env=vendor.environ)
    assert second.status == status, second.output
    assert second.usage["sessions"] == first["sessions"] != []
    assert second.usage["run"]["used_seconds"] == first["run"]["used_seconds"]
