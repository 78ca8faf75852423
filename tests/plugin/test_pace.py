"""--dg-pace: how fast emulated tests are, and what their report says that they would take live."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.junit_readers import JUnit
from tests.support.project import Project, Result
from tests.support.rules_project import made_once

RUN = ("--dg-target=emulator", "--dg-budget=10m", "--dg-pace=max", "-rP", "--junitxml=junit.xml")


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Result:
    def run(path: Path) -> Result:
        project = Project(path)
        project.use("pace/test_paces.py")
        return project.run(*RUN)

    return made_once(tmp_path_factory, "pace", run)


def entry(ran: Result, kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in ran.usage[kind] if each["nodeid"].endswith(f"::{name}"))
    return dict(found)


def section_of(ran: Result, test: str) -> str:
    """Return what is printed of a test, from its head to the next one."""
    return re.split(r"\n_{3,} ", ran.output.partition(f"_ {test} _")[2])[0]


def test_a_session_at_pace_max_takes_a_fraction_of_what_it_would_take_live(ran: Result) -> None:
    session = entry(ran, "sessions", "test_talks")
    assert session["forecast_seconds"] > 3
    assert session["seconds"] < session["forecast_seconds"] / 4
    assert not session["forecast_cut"]


def test_a_marker_has_its_test_wait_as_live(ran: Result) -> None:
    assert entry(ran, "tests", "test_waits_as_live")["outcome"] == "passed"
    session = entry(ran, "sessions", "test_waits_as_live")
    assert session["forecast_seconds"] == session["seconds"] > 1


def test_a_forecast_beyond_the_budget_is_said_and_fails_nothing(ran: Result) -> None:
    test = entry(ran, "tests", "test_would_not_fit")
    assert (test["outcome"], test["verdict"]) == ("passed", "within")
    assert test["used_seconds"] < test["budget_seconds"] == 2 < test["forecast_seconds"]
    assert "within; live over budget" in ran.output
    said = f"live, this test would use about {test['forecast_seconds']:.2f}s, more than the 2.00s that it has"
    assert said in section_of(ran, "test_would_not_fit")
    assert "live, this test" not in section_of(ran, "test_talks")


def test_a_session_that_is_cut_has_its_own_time_as_forecast(ran: Result) -> None:
    session = entry(ran, "sessions", "test_is_cut")
    assert (session["closed_by"], session["forecast_cut"]) == ("test-budget", True)
    assert session["forecast_seconds"] == session["seconds"]


def test_the_forecast_of_the_run_is_the_sum_of_its_sessions(ran: Result) -> None:
    run, sessions = ran.usage["run"], ran.usage["sessions"]
    assert run["forecast_seconds"] == pytest.approx(sum(each["forecast_seconds"] for each in sessions))
    assert run["forecast_usd"] > run["cost_usd"] > 0
    assert run["forecast_usd"] == pytest.approx(run["forecast_seconds"] * 0.075 / 60, rel=0.01)
    line = next(line for line in ran.output.splitlines() if line.startswith("used "))
    assert f"; live about {run['forecast_seconds']:.2f}s, ${run['forecast_usd']:.4f}; verdict: " in line


def test_the_header_names_the_pace(ran: Result) -> None:
    assert "dgbudget: emulator at pace max, nothing is billed" in ran.output


def test_junit_has_the_forecast_of_each_test(ran: Result) -> None:
    cases = {case.name: case.figures for case in JUnit(ran.path / "junit.xml").cases}
    for test in ran.usage["tests"]:
        figures = cases[test["nodeid"].rpartition("::")[2]]
        assert float(figures["forecast_seconds"]) == test["forecast_seconds"]


def test_what_was_open_is_what_is_billed(ran: Result) -> None:
    assert ran.usage["reconciliation"]["verdict"] == "reconciled", ran.output


def test_a_client_that_stops_sending_after_its_words_hangs_as_live_and_its_test_says_why(ran: Result) -> None:
    assert entry(ran, "tests", "test_stops_sending")["outcome"] == "failed"
    assert re.search(
        r"session \S+: the user began to speak, the last audio was sent \S+ after its dial, and the session ended \S+ "
        r"later without a turn: a turn ends by audio that arrives, silence included",
        section_of(ran, "test_stops_sending"),
    )


def test_a_bad_pace_fails_its_test_in_setup(project: Project) -> None:
    project.use("pace/test_bad_paces.py")
    result = project.run("--dg-target=emulator")
    assert result.status == 1
    assert "4 errors in" in result.output
    assert result.output.count('accepted: dg_scenario("FILE", name="NAME", pace="vendor" or "max")') >= 4
    assert not (project.path / ".dgbudget/report").exists()  # nothing was opened


@pytest.mark.slow
def test_a_live_run_has_no_forecast(project: Project, vendor: Any) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    with voice_agent.connect():\n        pass\n")
    result = project.run("--dg-budget=1m", "--dg-target=live", "--dg-pace=max", env=vendor.environ)
    assert result.usage["run"]["forecast_seconds"] is None
    assert result.usage["sessions"][0]["forecast_seconds"] is None
    assert "at pace max" not in result.output
    assert "live about" not in result.output
