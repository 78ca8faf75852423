"""An overrun can't be swallowed, and is reported where it belongs: what a budget's cut or refusal makes of a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_dgbudget.units import format_time
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.scripted_vendor import ScriptedVendor
from tests.support.slow import slow


@pytest.fixture
def scripted() -> Iterator[ScriptedVendor]:
    with ScriptedVendor() as scripted:
        yield scripted


def run(project: Project, file: str, *arguments: str, scripted: ScriptedVendor) -> Result:
    project.use(f"overruns/{file}")
    return project.run("--dg-budget=5m", "--junitxml=junit.xml", "-rA", *arguments, env=scripted.environ)


def reports(result: Result) -> dict[str, list[str]]:
    """Return what JUnit has for each test: tags of failures, errors and skips, with their messages."""
    cases: dict[str, list[str]] = {}
    for case in ElementTree.parse(result.path / "junit.xml").iter("testcase"):
        children = [child for child in case if child.tag not in {"system-out", "properties"}]
        texts = [f"{child.tag}: {child.attrib.get('message', '')}" for child in children]
        cases[case.attrib["name"]] = cases.get(case.attrib["name"], []) + texts
    return cases


def tags(result: Result) -> dict[str, list[str]]:
    return {name: [text.partition(":")[0] for text in texts] for name, texts in reports(result).items()}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_money_is_cut_and_refused_as_time_is_and_named_everywhere(project: Project, workers: str) -> None:
    project.use("overruns/test_money.py")
    project.write("dgbudget.toml", '[[path]]\nglob = "test_money.py"\ntest = "$0.0016"\n')
    result = project.run(workers, "--dg-cost-budget=0.50", "--junitxml=junit.xml", "--dg-target=emulator")
    assert result.status == 1, result.output
    assert "run budget $0.50, 1m per test" in result.output
    assert " of $0.50 [" in result.output
    overruns = {test["nodeid"].partition("::")[2]: test["overrun"] for test in result.usage["tests"]}
    of_test = {"scope": "test", "currency": "money", "label": ""}
    assert {name: {**overrun, "used": None} for name, overrun in overruns.items()} == {
        "test_by_marker": {**of_test, "used": None, "allowed": 0.0015},
        "test_by_path": {**of_test, "used": None, "allowed": 0.0016},
        "test_none": {**of_test, "used": None, "allowed": 0.0},
    }
    assert all(0 < overruns[name]["used"] <= overruns[name]["allowed"] for name in ("test_by_marker", "test_by_path"))
    assert result.usage["run"]["cost_budget_usd"] == 0.5
    said = {name: texts[0] for name, texts in reports(result).items()}
    assert "BudgetExceeded: test budget of $0.0015 used up, " in said["test_by_marker"]
    assert "BudgetExhausted: test budget of $0 allows nothing, " in said["test_none"]


# Cut in mid-session -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_i8_a_cut_fails_its_test_in_the_call_phase_whatever_the_test_does(
    project: Project, scripted: ScriptedVendor, workers: str
) -> None:
    result = run(project, "test_cut.py", workers, scripted=scripted)
    assert result.status == 1, result.output
    cases = reports(result)
    assert len(cases) == 7
    for name, texts in cases.items():
        assert [text.partition(":")[0] for text in texts] == ["failure"], (name, texts)
        assert "BudgetExceeded" in texts[0], (name, texts)
        assert "test budget of 1s used up" in texts[0], (name, texts)
    assert set(result.outcomes().values()) == {"failed"}
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"test-budget"}
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_cut_of_a_test_that_is_expected_to_fail_is_xfailed_and_fails_no_run(
    project: Project, scripted: ScriptedVendor, workers: str
) -> None:
    result = run(project, "test_xfail.py", workers, scripted=scripted)
    assert result.status == 0, result.output
    assert result.outcomes() == {"test_strict": "xfailed", "test_loose": "xfailed"}
    assert "2 xfailed" in result.output
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", False)


@pytest.mark.slow
def test_reruns_see_a_cut_as_an_ordinary_failure(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, "test_rerun.py", "--reruns=1", scripted=scripted)
    assert result.status == 0, result.output
    assert [(test["attempt"], test["outcome"], test["verdict"]) for test in result.usage["tests"]] == [
        (1, "rerun", "overrun"),
        (2, "passed", "within"),
    ]
    assert "1 passed, 1 rerun" in result.output
    assert not result.usage["run"]["failing"]


@pytest.mark.slow
def test_what_failed_for_its_own_reason_keeps_its_error_and_gains_a_section(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/test_setup_fails.py")
    result = run(project, "test_own_error.py", scripted=scripted)
    assert result.status == 1, result.output
    (in_setup,), (in_call,) = (reports(result)[test] for test in ("test_it", "test_fails"))
    assert in_setup.startswith('error: failed on setup with "LookupError: own error"'), in_setup
    assert in_call.startswith("failure: AssertionError: own error"), in_call
    failures = result.output.split("= FAILURES =")[1].split("short test summary")[0]
    assert "- Captured dgbudget call -" in failures or "- dgbudget -" in failures
    assert "test budget of 1s used up" in failures
    assert "test budget of 1s used up" in result.output.split("= ERRORS =")[1].split("= FAILURES =")[0]


def test_an_overrun_during_teardown_is_a_teardown_error_and_counts_for_the_overrun_exit_code(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, "test_teardown.py", "-o", "dg_overrun_exit_code=77", scripted=scripted)
    assert result.status == 77, result.output
    assert tags(result) == {"test_cut": ["error"], "test_refused": ["error"]}, reports(result)
    assert all("teardown" in text for texts in reports(result).values() for text in texts)
    assert set(result.outcomes().values()) == {"error"}
    assert "2 passed, 2 errors" in result.output
    assert result.usage["run"]["failing"]


# Refused before opening ---------------------------------------------------------------------------------------------


def test_a_refusal_comes_before_opening_and_fails_its_test_in_the_call_phase(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, "test_refused.py", scripted=scripted)
    assert result.status == 1, result.output
    for name, texts in reports(result).items():
        assert [text.partition(":")[0] for text in texts] == ["failure"], (name, texts)
        assert "BudgetExhausted" in texts[0], (name, texts)
    assert len(scripted.connections) == 1, "only the session that spent the budget"
    assert {test["refused"] for test in result.usage["tests"]} == {1}
    assert result.usage["run"]["failing"]


@pytest.mark.slow
def test_a_refusal_in_a_setup_fixture_is_one_error(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, "test_refused_in_setup.py", scripted=scripted)
    assert result.status == 1, result.output
    assert tags(result) == {"test_it": ["error"]}, reports(result)


# --dg-on-exhausted=skip ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_under_skip_whatever_a_refused_test_raises_it_is_skipped_with_the_reason(
    project: Project, scripted: ScriptedVendor, workers: str
) -> None:
    project.use("overruns/test_tolerated.py")
    arguments = ("--dg-budget=0", "--dg-on-exhausted=skip", "--junitxml=junit.xml", "-rs")
    result = project.run(*arguments, workers, env=scripted.environ)
    assert result.status == 0, result.output
    cases = reports(result)
    assert cases.pop("test_without_a_session") == []
    for name, texts in cases.items():
        assert len(texts) == 1, (name, texts)
        assert texts[0].startswith("skipped: run budget of 0s "), (name, texts)
    assert set(result.outcomes().values()) == {"skipped"}
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("overrun", False)
    assert scripted.connections == []


SPENT = [
    ('[window]\nday = "0s"\n', "day window of 0s allows nothing"),
    ('[[path]]\nglob = "**"\nrun = "0s"\n', "path budget of 0s allows nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("budgets", "said"), SPENT, ids=["window", "path"])
def test_under_skip_a_test_that_a_window_or_a_path_refuses_is_skipped_as_well(
    project: Project, scripted: ScriptedVendor, budgets: str, said: str
) -> None:
    project.use("overruns/test_tolerated.py")
    project.write("dgbudget.toml", budgets)
    result = project.run(
        "--dg-budget=5m", "--dg-on-exhausted=skip", "--junitxml=junit.xml", "-rs", env=scripted.environ
    )
    assert (result.status, result.usage["run"]["failing"]) == (0, False), result.output
    assert set(result.outcomes().values()) == {"skipped"}
    assert said in result.output


@pytest.mark.slow
def test_under_skip_a_cut_and_a_spent_test_budget_still_fail(project: Project, scripted: ScriptedVendor) -> None:
    project.use("overruns/test_cut_and_refused.py")
    result = project.run("--dg-budget=1s", "--dg-on-exhausted=skip", env=scripted.environ)
    assert result.status == 1, result.output
    assert result.outcomes() == {
        "test_cut_by_the_run": "failed",
        "test_refused_by_the_run": "skipped",
        "test_refused_by_itself": "failed",
    }
    assert [session["closed_by"] for session in result.usage["sessions"]] == ["run-budget"]
    assert result.usage["run"]["failing"]


@pytest.mark.slow
def test_under_skip_the_exit_status_says_what_failing_says_of_a_refusal_in_teardown(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/test_refused_in_teardown.py")
    result = project.run("--dg-budget=0", "--dg-on-exhausted=skip", env=scripted.environ)
    assert result.usage["run"]["failing"] is (result.status != 0), result.output


# --dg-on-exhausted=stop ---------------------------------------------------------------------------------------------

STOP = ("--dg-budget=0", "--dg-on-exhausted=stop", "-o", "dg_overrun_exit_code=77")
STOPPING = "stopping after a session was refused: run budget of 0s allows nothing, 0s used; raise it with --dg-budget"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        slow(["-n2"], id="n2"),
        slow(["--reruns=1"], id="reruns"),
        slow(["-n2", "--reruns=1"], id="n2 reruns"),
    ],
)
def test_under_stop_no_test_begins_after_a_refusal_and_those_that_run_go_on(
    project: Project, scripted: ScriptedVendor, arguments: list[str]
) -> None:
    project.use("overruns/test_stops.py")
    result = project.run(*STOP, *arguments, env=scripted.environ)
    assert result.status == 77, result.output
    assert "1 failed, 1 passed" in result.output
    assert STOPPING in result.output
    assert STOPPING in result.usage["notices"]
    assert (project.path / "ran-on").exists()
    assert not (project.path / "began").exists()
    assert set(result.outcomes()) == {"test_is_refused"}
    run = result.usage["run"]
    assert (run["verdict"], run["failing"], run["complete"]) == ("overrun", True, True)
    assert scripted.connections == []


@pytest.mark.slow
def test_under_stop_x_stops_first(project: Project, scripted: ScriptedVendor) -> None:
    project.use("overruns/test_stops.py")
    result = project.run(*STOP, "-x", env=scripted.environ)
    assert (result.status, "stopping after 1 failures" in result.output) == (77, True), result.output
    assert STOPPING in result.usage["notices"]
    assert not (project.path / "began").exists()


@pytest.mark.parametrize("workers", [slow("-n0", id="alone"), slow("-n2", id="n2")])
def test_under_stop_a_refusal_that_is_expected_stops_and_fails_the_run_as_well(
    project: Project, scripted: ScriptedVendor, workers: str
) -> None:
    project.use("overruns/test_stops.py", "overruns/expects_overruns.py")
    result = project.run(*STOP, "-p", "expects_overruns", workers, env=scripted.environ | project.importable)
    assert result.outcomes() == {"test_is_refused": "xfailed"}, result.output
    assert not (project.path / "began").exists()
    assert result.status != 0, "tests that did not begin are no success"


@pytest.mark.slow
def test_under_stop_the_statement_is_asked_for_as_after_any_run(project: Project, scripted: ScriptedVendor) -> None:
    project.use("overruns/test_cut_and_refused.py")
    result = project.run("--dg-budget=1s", "--dg-on-exhausted=stop", env=scripted.environ)
    assert result.outcomes() == {"test_cut_by_the_run": "failed", "test_refused_by_the_run": "failed"}, result.output
    assert "the run was stopped" not in str(result.usage["reconciliation"])


@pytest.mark.slow
@pytest.mark.parametrize(("budgets", "said"), SPENT, ids=["window", "path"])
def test_under_stop_a_window_or_a_path_that_refuses_stops_the_run_as_well(
    project: Project, scripted: ScriptedVendor, budgets: str, said: str
) -> None:
    project.use("overruns/test_stops.py")
    project.write("dgbudget.toml", budgets)
    result = project.run("--dg-budget=5m", "--dg-on-exhausted=stop", env=scripted.environ)
    assert result.status == 1, result.output
    assert f"stopping after a session was refused: {said}" in result.output
    assert not (project.path / "began").exists()


@pytest.mark.slow
def test_under_stop_a_spent_test_budget_stops_nothing(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, "test_refused.py", "--dg-on-exhausted=stop", scripted=scripted)
    assert len(result.outcomes()) == 5, result.output


# Nearly used up -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_budget_that_is_nearly_used_up_is_said_below_the_runs_line_and_in_the_report(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/test_nearly.py")
    project.write("dgbudget.toml", '[window]\nday = "5100ms"\nmonth = "2h"\n')
    result = project.run("--dg-budget=5200ms", env=scripted.environ)
    assert result.status == 0, result.output
    of_run, of_window = (each["text"] for each in result.usage["warnings"] if each["kind"] != "prices")
    used = result.usage["run"]["used_seconds"]
    assert 4.5 <= used < 5.1
    assert f"of the run budget of 5.2s is used: {format_time(round(used * 1000))}" in of_run
    assert f"of the day window of 5.1s is used: {format_time(round(used * 1000))}" in of_window
    lines = result.output.splitlines()
    line = next(number for number, text in enumerate(lines) if text.startswith(f"used {used:.2f}s of"))
    assert lines[line + 1 : line + 3] == [of_run, of_window]


# Idle ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_idle_close_is_no_overrun_and_keep_alives_do_not_count(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, "test_idle.py", "--dg-idle-timeout=500ms", scripted=scripted)
    assert result.status == 0, result.output
    assert result.usage["run"]["verdict"] == "within"
    assert {session["nodeid"].rpartition("::")[2]: session["closed_by"] for session in result.usage["sessions"]} == {
        "test_forgotten": "idle",
        "test_never": "client",
        "test_moving": "client",
        "test_function": "idle",
    }
    assert {seen.close_code for seen in scripted.wait_closed(4)} == {1000}


# Exit status --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tests", "status", "workers"),
    [
        ("refused", 77, "-n0"),
        pytest.param("refused", 77, "-n2", marks=pytest.mark.slow),
        pytest.param("refused or fails", 1, "-n0", marks=pytest.mark.slow),
        pytest.param("refused or fails", 1, "-n2", marks=pytest.mark.slow),
        pytest.param("refused or broken", 1, "-n0", marks=pytest.mark.slow),
        pytest.param("fails", 1, "-n0", marks=pytest.mark.slow),
    ],
    ids=["alone", "alone n2", "with a failure", "with a failure n2", "with an error", "no overrun"],
)
def test_the_overrun_exit_code_is_for_runs_in_which_nothing_else_failed(
    project: Project, scripted: ScriptedVendor, tests: str, status: int, workers: str
) -> None:
    result = run(
        project, "test_exit_status.py", "-k", tests, workers, "-o", "dg_overrun_exit_code=77", scripted=scripted
    )
    assert result.status == status, result.output


SHARED = ("-o", "dg_overrun_exit_code=77", "--dg-run-id=shared")


@pytest.mark.slow
def test_the_overrun_exit_code_is_each_invocations_own(project: Project, scripted: ScriptedVendor) -> None:
    for _ in range(2):
        result = run(project, "test_exit_status.py", "-k", "refused", *SHARED, scripted=scripted)
        assert result.status == 77, result.output
    result = run(project, "test_exit_status.py", "-k", "fails", *SHARED, scripted=scripted)
    assert result.status == 1, result.output


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="subtests came with pytest 9")
def test_a_failed_subtest_is_a_failed_test(project: Project) -> None:
    project.use("overruns/test_subtests.py")
    result = project.run()
    assert result.outcomes() == {"test_parts": "failed"}, result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    "plugin",
    [
        "overruns/late_wrapper.py",
        "overruns/changed_report.py",
        "overruns/exits.py",
        "overruns/suppresses.py",
    ],
    ids=lambda file: Path(file).stem,
)
def test_a_run_that_overran_never_ends_with_success_whatever_other_plugins_make_of_it(
    project: Project, scripted: ScriptedVendor, plugin: str
) -> None:
    project.use(plugin)
    result = run(
        project, "test_outcome_changed.py", "-p", Path(plugin).stem, "-o", "dg_overrun_exit_code=9", scripted=scripted
    )
    assert result.status == 9, result.output
    assert result.usage["run"]["failing"]


@pytest.mark.slow
def test_a_run_that_a_test_ended_is_interrupted_whatever_exit_status_it_asked_for(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/ends_the_run.py")
    result = project.run("--dg-budget=5m", "ends_the_run.py", env=scripted.environ)
    assert result.status == 0, result.output
    assert (result.usage["run"]["verdict"], result.usage["run"]["failing"]) == ("interrupted", False)


@pytest.mark.slow
def test_a_run_that_fails_without_a_failed_test_keeps_its_exit_status(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/ends_with_failure.py")
    result = project.run(
        "--dg-budget=5m", "-o", "dg_overrun_exit_code=77", "ends_with_failure.py", env=scripted.environ
    )
    assert result.status == 1, result.output


@pytest.mark.slow
def test_an_internal_error_on_a_worker_is_interrupted_and_never_exits_with_0(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/internal_error")
    result = project.run("--dg-budget=5m", "-n1", env=scripted.environ)
    assert result.status == 3, result.output
    assert result.usage["run"]["verdict"] == "interrupted"


# Whatever runs the test, and whatever others raise -------------------------------------------------------------------


def test_a_grant_ends_with_its_test_whatever_other_fixtures_raise(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, "test_teardown_raises.py", scripted=scripted)
    assert result.outcomes() == {
        "test_app[cancelled]": "error",
        "test_app[exit]": "error",
        "test_cancelled": "error",
        "test_exits": "error",
        "test_next": "passed",
    }, result.output
    assert "4 passed, 4 errors" in result.output
    used = {test["nodeid"].partition("::")[2]: test["sessions"] for test in result.usage["tests"]}
    assert used.pop("test_next") == 0
    assert set(used.values()) == {1}
    assert {session["closed_by"] for session in result.usage["sessions"]} == {"teardown"}


@pytest.mark.slow
def test_i8_a_cut_fails_a_testcase_whatever_it_does(project: Project, scripted: ScriptedVendor) -> None:
    result = run(project, "test_unittest.py", scripted=scripted)
    assert result.status == 1, result.output
    cases = reports(result)
    expected = {
        "test_skips": "test budget of 1s used up",
        "test_passes": "test budget of 1s used up",
        "test_in_a_subtest": "test budget of 1s used up",
        "test_in_a_coroutine": "test budget of 1s used up",
        "test_fails_otherwise": "its own failure",
    }
    assert cases.pop("test_is_expected_to_fail")[0].startswith("skipped")
    assert cases.keys() == expected.keys()
    for name, text in expected.items():
        assert len(cases[name]) == 1, cases[name]
        assert cases[name][0].startswith("failure"), cases[name]
        assert text in cases[name][0], cases[name]


@pytest.mark.slow
def test_i8_a_cut_in_what_surrounds_a_testcase_or_in_a_doctest_fails_it(
    project: Project, scripted: ScriptedVendor
) -> None:
    project.use("overruns/documented.py")
    result = run(project, "test_unittest_around.py", "--doctest-modules", "--dg-test-budget=1s", scripted=scripted)
    assert result.status == 1, result.output
    assert "7 failed" in result.output
    cases = {name: [text for text in texts if text.startswith("failure")] for name, texts in reports(result).items()}
    assert len(cases) == 7
    for name, texts in cases.items():
        assert len(texts) == 1, (name, texts)
        assert "test budget of 1s used up" in texts[0], (name, texts)


@pytest.mark.slow
def test_skip_skips_the_refused_tests_of_a_testcase(project: Project, scripted: ScriptedVendor) -> None:
    project.use("overruns/test_unittest_refused.py")
    result = project.run("--dg-budget=0", "--dg-on-exhausted=skip", env=scripted.environ)
    assert result.status == 0, result.output
    assert "2 skipped" in result.output


@pytest.mark.slow
def test_i8_the_first_test_that_asks_in_its_body_is_judged_in_its_call(
    project: Project, scripted: ScriptedVendor
) -> None:
    result = run(project, "test_asks_late.py", scripted=scripted)
    assert result.status == 0, result.output
    assert "1 xfailed" in result.output
