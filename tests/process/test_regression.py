"""A run that is dearer than those before it, with a real gateway and ledger."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.support.project import Project, Result

FAILS = "--dg-regression=fail fails the run: sessions or turns took longer than in earlier runs"


def calls(project: Project, turns: int, *arguments: str) -> Result:
    return project.run("--dg-target=emulator", "--dg-pace=max", *arguments, env={"TURNS": str(turns)})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_triples_what_five_runs_spent_fails_where_that_is_asked_for(project: Project) -> None:
    """The first of three is found at once, although the one before it, as usual, counts as much."""
    project.use("regression")
    for earlier in range(5):
        result = calls(project, 1)
        assert result.status == 0, result.output
        assert "regression" not in result.output
        assert result.usage["regression"]["verdict"] == "too-few-runs"
        assert [run["sessions"] for run in result.usage["history"]] == [4] * earlier

    result = calls(project, 3)
    assert result.status == 0, result.output
    assert "regression: the spend of 4 shared tests is" in result.output
    regression = result.usage["regression"]
    assert (regression["verdict"], regression["runs"], regression["tests"]) == ("regression", 5, 4)
    assert regression["spend"]["regressed"]
    assert regression["spend"]["change"] > 0.5

    result = calls(project, 3, "--dg-regression=fail", "-n1", "--junitxml=junit.xml")
    assert result.status == 1, result.output
    assert FAILS in result.output
    contributors = result.usage["regression"]["contributors"]
    assert [each["figure"] for each in contributors] == ["spend"] * 4
    (suite,) = ElementTree.parse(project.path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "0", "0")

    result = calls(project, 3, "--dg-regression=off")
    assert result.status == 0, result.output
    assert "regression" not in result.output
    assert result.usage["regression"]["verdict"] == "off"
    assert len(result.usage["history"]) == 7


@pytest.mark.slow
def test_a_run_without_sessions_is_compared_with_nothing(project: Project) -> None:
    project.use("regression")
    result = calls(project, 0, "--dg-budget=1m", "-k", "nothing")
    assert result.usage["regression"] is None
    assert result.usage["history"] == []
