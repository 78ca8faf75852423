"""A live run that no session reached says what programs lack that were started and did not load the redirect."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.slow import slow
from tests.support.vendor import Vendor

LACK = "programs were started, and none of them loaded the redirect"
PASS = [sys.executable, "-c", "pass"]
WITHOUT_VARIABLES = ["env", "-i", *PASS]


def environment(vendor: Vendor, command: list[str]) -> Mapping[str, str]:
    return {**vendor.environ, "COMMAND": json.dumps(command)}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
@pytest.mark.parametrize(
    ("command", "lacks"),
    [
        slow(WITHOUT_VARIABLES, True),
        slow([sys.executable, "-I", "-c", "pass"], True),
        (PASS, False),
        slow([], False),
    ],
    ids=["without variables", "isolated", "redirected", "none"],
)
def test_programs_without_the_redirect_are_named_where_no_session_came(
    project: Project, vendor: Vendor, command: list[str], lacks: bool, workers: str
) -> None:
    project.use("started_programs")
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", workers, env=environment(vendor, command))
    assert result.status == 0, result.output
    assert "no session reached the gateway" in result.output
    assert (LACK in result.output) is lacks


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_node_program_says_that_it_has_loaded_the_redirect(project: Project, vendor: Vendor) -> None:
    project.use("started_programs")
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", env=environment(vendor, ["node", "-e", "0"]))
    assert "no session reached the gateway" in result.output
    assert LACK not in result.output


@pytest.mark.parametrize("option", [slow("--dg-redirect=off"), "dg_redirect_children=false"])
def test_nothing_is_said_where_programs_are_not_to_be_redirected(project: Project, vendor: Vendor, option: str) -> None:
    project.use("started_programs")
    given = option if option.startswith("--") else f"--override-ini={option}"
    result = project.run("--dg-budget=5m", "--dg-reconcile=off", given, env=environment(vendor, WITHOUT_VARIABLES))
    assert LACK not in result.output


@pytest.mark.parametrize(("command", "lacks"), [(WITHOUT_VARIABLES, True), (PASS, False)])
def test_a_command_without_the_redirect_is_named_as_well(
    project: Project, vendor: Vendor, command: list[str], lacks: bool
) -> None:
    dgbudget = [sys.executable, "-c", "import sys; from pytest_dgbudget.cli import main; sys.exit(main())"]
    run = [*dgbudget, "run", "--budget=5m", "--reconcile=off", "--", *command]
    result = project.result(project.launch(run, env=vendor.environ))
    assert result.status == 0, result.output
    assert "no session reached the gateway" in result.output
    assert (LACK in result.output) is lacks
