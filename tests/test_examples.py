"""Every example passes in a project of its own, alone and together with the others."""

from __future__ import annotations

import shutil

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, EXAMPLES, PROJECTS, Project
from tests.support.vendor import KEY

FILES = sorted(path.name for path in EXAMPLES.glob("test_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_each_example_passes_alone(examples: Project, file: str) -> None:
    result = examples.run(file, "--dg-budget=10m")
    assert result.status == 0, result.output
    run = result.usage["run"]
    assert (run["target"], run["billed"], run["complete"], run["failing"]) == ("emulator", False, True, False)
    assert run["sessions"] > 0


@pytest.mark.slow
def test_the_overrun_is_visible_and_does_not_fail_the_run(examples: Project) -> None:
    result = examples.run("test_overrun.py", "--dg-budget=10m")
    assert result.status == 0, result.output
    assert "XFAIL test_overrun.py::test_overrun - talks for longer than its budget of 1 s" in result.output
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", False)
    (test,) = result.usage["tests"]
    assert (test["outcome"], test["verdict"], test["cut"]) == ("xfailed", "overrun", True)
    assert test["used_seconds"] <= 1.0
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"test-budget"}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_examples_pass_together(examples: Project, workers: str) -> None:
    """A key that is set changes nothing; the overrun is visible and fails nothing."""
    result = examples.run(workers, "--dg-budget=10m", "--ignore=order_desk", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    outcomes = {test["nodeid"].partition("::")[0]: test["outcome"] for test in result.usage["tests"]}
    assert sorted(outcomes) == FILES
    assert {file for file, outcome in outcomes.items() if outcome != "passed"} == {"test_overrun.py"}
    assert "XFAIL test_overrun.py::test_overrun - talks for longer than its budget of 1 s" in result.output
    run = result.usage["run"]
    assert (run["target"], run["verdict"], run["failing"]) == ("emulator", "overrun", False)
    assert result.usage["reconciliation"]["verdict"] == "reconciled"
    assert f"{len(FILES)} of {len(FILES)} sessions agree with the emulator's statement" in result.output


@pytest.mark.slow
def test_examples_stay_with_the_emulator_where_a_key_is_set(examples: Project) -> None:
    result = examples.run("test_sync.py", "--dg-budget=10m", env={"DEEPGRAM_API_KEY": KEY})
    assert result.status == 0, result.output
    assert result.usage["run"]["target"] == "emulator"


# What is wrong with the agent, and what the failure says of it.
BROKEN = {
    "test_tells_where_an_order_is": [
        "BadFunctionCall: the agent called order_status with arguments that its parameters in the settings don't allow",
        '/order_id is 17, which must be string; all of them: {"order_id": 17}',
    ],
    "test_cancels_only_what_the_caller_confirms": ["cancelled before the caller confirmed it", "['B-2'] == []"],
    "test_stops_when_the_caller_speaks": ["audio of the old reply came after the agent had noticed", "late_seconds="],
    "test_does_not_answer_a_caller_who_says_nothing": ["assert ['user: Mhm.'] == []"],
    "test_a_caller_who_is_asked_again_is_answered": [
        "'tomorrow' in 'I do not know.'",
        "'Yes. Where is my order A-17?'",
    ],
    "test_hands_complaints_over": ["'put you through' in 'Please do not.'", "user_transcript='I want to complain.'"],
}


@pytest.mark.slow
def test_the_order_desk_passes_in_seconds(examples: Project) -> None:
    result = examples.run("order_desk", "--dg-budget=10m")
    assert result.status == 0, result.output
    assert {test["outcome"] for test in result.usage["tests"]} == {"passed"}
    assert len(result.usage["tests"]) == len(BROKEN)


@pytest.mark.slow
def test_a_broken_order_desk_fails_each_test_with_a_message_that_says_why(examples: Project) -> None:
    examples.use("broken_desk/conftest.py")
    shutil.copy(PROJECTS / "broken_desk/agent.toml", examples.path / "order_desk")
    result = examples.run("order_desk", "--dg-budget=10m", "--tb=short")
    assert f"{len(BROKEN)} failed" in result.output
    for test, said in BROKEN.items():
        report = result.output.partition(f" {test} ")[2].partition("\n___")[0]
        assert "/pytest_dgbudget/" not in report, report
        for part in said:
            assert part in report, report
