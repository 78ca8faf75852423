"""A run with a budget or a target is ours: its environment, its process tokens, and whose each session is."""

from __future__ import annotations

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.slow import slow
from tests.support.vendor import KEY, Vendor


def sessions_of(result: Result) -> dict[str, int]:
    """Return how many sessions each test had, by its name."""
    return {test["nodeid"].partition("::")[2]: test["sessions"] for test in result.usage["tests"]}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_what_is_imported_has_a_token_whose_sessions_are_the_running_tests(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("own_run/application.py", "own_run/test_at_import.py")
    project.write("key.txt", KEY)
    env = {**vendor.environ, "OTHER_NAME_FOR_IT": KEY, "DEEPGRAM_ACCESS_TOKEN": "a token of the vendor's"}
    result = project.run("--dg-budget=5m", "--dg-run-id=the-run", "--dist=loadfile", workers, env=env)
    assert "1 failed, 7 passed" in result.output
    assert "BudgetExceeded: test budget of 1s used up" in result.output
    assert sessions_of(result) == {
        "test_one_session": 1,
        "test_two_sessions_beside_the_fixtures_own": 3,
        "test_leaves_one_open": 1,
        "test_is_cut_although_it_notices_nothing": 1,
        "test_opens_one_in_its_teardown": 1,
    }
    assert len(vendor.connections) == 7
    assert {seen.headers["authorization"] for seen in vendor.connections} == {f"Token {KEY}"}
    outcomes = {test["nodeid"].partition("::")[2]: test["outcome"] for test in result.usage["tests"]}
    assert outcomes.pop("test_is_cut_although_it_notices_nothing") == "failed"
    assert set(outcomes.values()) == {"passed"}


@pytest.mark.parametrize(
    ("workers", "arguments"),
    [("-n0", ["--dg-target=emulator"]), slow("-n2", ["--dg-target=emulator"]), slow("-n0", []), slow("-n2", [])],
)
def test_an_application_that_is_started_once_serves_whichever_test_runs(
    project: Project, workers: str, arguments: list[str]
) -> None:
    project.use("own_run/application.py", "own_run/server.py", "own_run/test_once.py")
    result = project.run(workers, "--dist=loadfile", *arguments)
    assert "1 failed, 3 passed" in result.output
    assert "BudgetExhausted" in result.output
    assert sessions_of(result) == {
        "test_first": 1,
        "test_second": 1,
        "test_third_has_no_budget": 0,
        "test_fourth_visits_twice": 2,
    }
