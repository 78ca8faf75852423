"""The JUnit file says what usage.json says, and CI servers find the report, however the run went."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.junit_readers import Attempt, JUnit
from tests.support.processes import gateway_of
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.vendor import Vendor

OF_SUITE = {
    "run_id",
    "target",
    "budget_seconds",
    "seconds",
    "sessions",
    "cost_usd",
    "verdict",
    "reconciliation",
    "report",
}
OF_CASE = {"seconds", "budget_seconds", "sessions", "cost_usd", "request_ids", "attempt", "verdict"}

HEAD = """
import os
import time
from pathlib import Path
import pytest

def talk(voice_agent):
    with voice_agent.connect() as session:
        session.say("one")

@pytest.fixture
def breaks_in_teardown():
    yield
    raise RuntimeError("teardown")

@pytest.fixture
def breaks_in_setup(voice_agent):
    raise RuntimeError("setup")
"""

MANY = """
def test_passes(voice_agent):
    print("my own output")
    talk(voice_agent)
    talk(voice_agent)

def test_fails(voice_agent):
    print("my own output")
    talk(voice_agent)
    assert False

def test_fails_without_session(voice_agent):
    assert False

def test_breaks_in_setup(voice_agent, breaks_in_setup):
    pass

def test_is_skipped(voice_agent):
    talk(voice_agent)
    pytest.skip("for a reason")

def test_is_expected_to_fail(voice_agent):
    talk(voice_agent)
    pytest.xfail("for a reason")

@pytest.mark.xfail(strict=True)
def test_passes_unexpectedly(voice_agent):
    talk(voice_agent)

@pytest.mark.dg_budget("off")
def test_unlimited(voice_agent):
    talk(voice_agent)

@pytest.mark.dg_budget(0)
def test_is_refused(voice_agent):
    talk(voice_agent)

def test_does_not_use_it():
    pass

def test_does_not_use_it_and_fails():
    print("my own output")
    assert False
"""

TEARDOWNS = """
def test_breaks_in_teardown(breaks_in_teardown, voice_agent):
    talk(voice_agent)

def test_fails_twice(breaks_in_teardown, voice_agent):
    print("my own output")
    talk(voice_agent)
    assert False
"""

USING = {
    "test_passes",
    "test_fails",
    "test_fails_without_session",
    "test_breaks_in_setup",
    "test_is_skipped",
    "test_is_expected_to_fail",
    "test_passes_unexpectedly",
    "test_unlimited",
    "test_is_refused",
}
ATTACHED = {
    "test_fails",
    "test_fails_without_session",
    "test_breaks_in_setup",
    "test_passes_unexpectedly",
    "test_is_refused",
}
LAST_FAILS_TWICE = {"test_breaks_in_teardown", "test_fails_twice"}


def run(project: Project, source: str, *arguments: str, vendor: Vendor, env: dict[str, str] | None = None) -> Result:
    project.write("test_it.py", HEAD + source)
    return project.run("--dg-budget=5m", "--junitxml=junit.xml", *arguments, env={**vendor.environ, **(env or {})})


def read(result: Result) -> JUnit:
    assert "INTERNALERROR" not in result.output
    return JUnit(result.path / "junit.xml")


def report_of(result: Result) -> Path:
    return result.path / ".dgbudget/report/usage.json"


def attached(file: JUnit) -> set[str | None]:
    return {case.name for case in file.cases if case.attached is not None}


def check_figures(file: JUnit, usage: Mapping[str, Any], without: Collection[Attempt] = ()) -> None:
    """The file says what usage.json says; ``without`` are the attempts that pytest gives no testcase."""
    assert file.figures.keys() == OF_SUITE
    run = usage["run"]
    assert file.figures["run_id"] == run["id"]
    assert file.figures["target"] == run["target"]
    assert file.figures["budget_seconds"] == _seconds(run["budget_seconds"], "off")
    assert file.figures["seconds"] == _seconds(run["used_seconds"])
    assert file.figures["sessions"] == str(run["sessions"])
    assert file.figures["cost_usd"] == "unknown"
    assert file.figures["verdict"] == run["verdict"]
    assert file.figures["reconciliation"] == usage["reconciliation"]["verdict"]

    told = [test for test in usage["tests"] if _attempt(test) not in without]
    for case in file.using:
        assert case.figures.keys() == OF_CASE, case.name
        assert case.figures["cost_usd"] == "unknown"
    assert Counter((*case.attempt, *_plain(case.figures)) for case in file.using) == Counter(
        (
            *_attempt(test),
            _seconds(test["used_seconds"]),
            _seconds(test["budget_seconds"], "off"),
            str(test["sessions"]),
            test["verdict"],
        )
        for test in told
    )
    sessions = [session for session in usage["sessions"] if _attempt(session) not in without]
    assert Counter((*case.attempt, each) for case in file.using for each in case.request_ids) == Counter(
        (*_attempt(session), session["request_id"]) for session in sessions
    )
    if not without:
        assert f"{sum(float(case.figures['seconds']) for case in file.using):.3f}" == file.figures["seconds"]
        assert sum(int(case.figures["sessions"]) for case in file.using) == int(file.figures["sessions"])


def check_terminal(result: Result) -> None:
    """The table says what usage.json says."""
    table = [line.split() for line in result.output.splitlines()]
    for test in result.usage["tests"]:
        budget = "-" if test["budget_seconds"] is None else f"{test['budget_seconds']:.2f}s"
        verdict = test["verdict"] if test["verdict"] == "within" else f"overrun, {'cut' if test['cut'] else 'refused'}"
        used, sessions = f"{test['used_seconds']:.2f}s", str(test["sessions"])
        assert [test["nodeid"], used, budget, sessions, *verdict.split()] in table


def check_attachments(file: JUnit, report: Path, *, folder: Path) -> None:
    """Each failed testcase of a test that used the fixture has one, no other has; paths are relative to ``folder``."""
    using = {case.name for case in file.using}
    for case in file.cases:
        if case.failed and case.name in using:
            assert case.attached is not None, case.name
            assert (folder / case.attached).samefile(report)
            assert case.output is not None
            assert case.output.partition("\n")[0] == f"[[ATTACHMENT|{case.attached}]]"
            assert case.output.count("[[ATTACHMENT|") == 1
        else:
            assert "[[ATTACHMENT|" not in (case.output or ""), case.name


def _attempt(entry: Mapping[str, Any]) -> Attempt:
    return entry["nodeid"].rpartition("::")[2], entry["attempt"]


def _plain(figures: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(figures[name] for name in ("seconds", "budget_seconds", "sessions", "verdict"))


def _seconds(seconds: float | None, otherwise: str = "unknown") -> str:
    return otherwise if seconds is None else f"{seconds:.3f}"


# Every mode ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "-n2 -o junit_logging=all",
        "--dist=each --tx 2*popen -o junit_logging=out-err",
        "-o junit_logging=no -o junit_family=xunit1",
        "-o junit_logging=system-out -o junit_family=xunit2",
        "-o junit_logging=log -o junit_family=legacy",
        "-o junit_logging=system-err",
        "-o junit_logging=out-err -o junit_log_passing_tests=false",
        "-o junit_logging=all -o junit_duration_report=call",
    ],
)
def test_every_mode_tells_each_attempts_figures_and_attaches_the_report(
    project: Project, vendor: Vendor, arguments: str
) -> None:
    result = run(project, MANY + TEARDOWNS, *arguments.split(), vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    assert {case.name for case in file.using} == USING | LAST_FAILS_TWICE
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == ATTACHED | LAST_FAILS_TWICE
    assert file.figures["report"] == ".dgbudget/report/usage.json"
    each = 2 if "each" in arguments else 1
    assert [bool(case.figures) for case in file.of("test_fails_twice")].count(True) == each
    assert [case.failed for case in file.of("test_fails_twice")] == [True, True] * each
    budgets = {case.name: case.figures["budget_seconds"] for case in file.using}
    assert (budgets["test_unlimited"], budgets["test_is_refused"]) == ("off", "0.000")
    overrun = {case.name for case in file.using if case.figures["verdict"] == "overrun"}
    assert overrun == {"test_is_refused"}
    if any(f"junit_logging={logging}" in arguments for logging in ("system-out", "out-err", "all")):
        assert "my own output" in str(file.of("test_fails")[0].output)


@pytest.mark.parametrize("arguments", ["--reruns=2", "--reruns=2 -n2"])
def test_reruns_have_their_own_figures_and_never_double(project: Project, vendor: Vendor, arguments: str) -> None:
    flaky = """
def test_fails_once(voice_agent):
    talk(voice_agent)
    if not Path("again").exists():
        Path("again").touch()
        assert False
"""
    result = run(project, MANY + flaky, *arguments.split(), vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    assert [case.figures["attempt"] for case in file.of("test_fails")] == ["1", "2", "3"]
    assert [case.failed for case in file.of("test_fails")] == [False, False, True]
    assert [case.figures["attempt"] for case in file.of("test_fails_once")] == ["1", "2"]
    assert attached(file) == ATTACHED


def test_an_attempt_that_says_nothing_itself_does_not_repeat_what_the_one_before_said(
    project: Project, vendor: Vendor
) -> None:
    source = """
@pytest.fixture
def breaks_in_setup_again():
    if Path("again").exists():
        raise RuntimeError("setup")

def test_fails_twice(breaks_in_teardown, voice_agent):
    talk(voice_agent)
    assert False

def test_never_gets_it_again(breaks_in_setup_again, voice_agent):
    talk(voice_agent)
    Path("again").touch()
    assert False
"""
    result = run(project, source, "--reruns=1", vendor=vendor)
    check_figures(read(result), result.usage)


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_the_first_failure_stops_the_run(project: Project, vendor: Vendor, workers: str) -> None:
    source = """
def test_fails(voice_agent):
    talk(voice_agent)
    assert False

def test_passes(voice_agent):
    talk(voice_agent)

def test_passes_too(voice_agent):
    talk(voice_agent)

def test_passes_last(voice_agent):
    talk(voice_agent)
"""
    result = run(project, source, "-x", workers, vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == {"test_fails"}


def test_an_overrun_is_one_in_its_testcase_in_usage_json_and_in_the_terminal(project: Project, vendor: Vendor) -> None:
    source = """
@pytest.mark.dg_budget("1s")
def test_is_cut(voice_agent):
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)

@pytest.mark.dg_budget("0s")
def test_is_refused(voice_agent):
    voice_agent.connect().__enter__()

def test_passes(voice_agent):
    talk(voice_agent)
"""
    result = run(project, source, vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_terminal(result)
    check_attachments(file, report_of(result), folder=project.path)
    assert {case.name: (case.failed, case.figures["verdict"]) for case in file.using} == {
        "test_is_cut": (True, "overrun"),
        "test_is_refused": (True, "overrun"),
        "test_passes": (False, "within"),
    }
    assert file.figures["verdict"] == "overrun"


# Ends that nobody plans for -----------------------------------------------------------------------------------------


KILLS_BEHIND = """
import os

def pytest_runtest_logfinish(nodeid):
    if nodeid.endswith("test_is_killed_behind_its_reports") and "PYTEST_XDIST_WORKER" in os.environ:
        os.kill(os.getpid(), 9)
"""


def test_a_crashed_workers_test_has_its_figures_once_and_the_report(project: Project, vendor: Vendor) -> None:
    project.write("conftest.py", KILLS_BEHIND)
    source = """
@pytest.fixture
def killed_in_setup(voice_agent):
    with voice_agent.connect():
        os.kill(os.getpid(), 9)

@pytest.fixture
def killed_in_teardown(voice_agent):
    yield
    os.kill(os.getpid(), 9)

def test_is_killed(voice_agent):
    with voice_agent.connect():
        os.kill(os.getpid(), 9)

def test_is_killed_in_setup(killed_in_setup):
    pass

def test_fails_and_is_killed_in_teardown(voice_agent, killed_in_teardown):
    talk(voice_agent)
    assert False

def test_passes(voice_agent):
    talk(voice_agent)

def test_is_killed_behind_its_reports(voice_agent):
    talk(voice_agent)

def test_is_killed_without_using_it():
    os.kill(os.getpid(), 9)
"""
    result = run(project, source, "-n2", "-o", "junit_logging=all", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    killed = {
        "test_is_killed",
        "test_is_killed_in_setup",
        "test_fails_and_is_killed_in_teardown",
        "test_is_killed_behind_its_reports",
    }
    assert attached(file) == killed
    behind = [(case.failed, bool(case.figures)) for case in file.of("test_is_killed_behind_its_reports")]
    assert behind == [(False, True), (True, False)]
    assert {case.name for case in file.using} == {"test_passes", *killed}
    (without,) = file.of("test_is_killed_without_using_it")
    assert without.failed


def test_a_worker_that_crashes_behind_the_fixtures_end_leaves_the_figures(project: Project, vendor: Vendor) -> None:
    source = """
@pytest.fixture
def killed_behind():
    yield
    os.kill(os.getpid(), 9)

def test_is_killed(killed_behind, voice_agent):
    talk(voice_agent)
"""
    result = run(project, source, "-n2", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == {"test_is_killed"}


def test_a_crashed_attempt_that_is_run_again_is_in_the_suites_totals_alone(project: Project, vendor: Vendor) -> None:
    source = """
def test_is_killed_once(voice_agent):
    talk(voice_agent)
    if not Path("again").exists():
        Path("again").touch()
        os.kill(os.getpid(), 9)

def test_is_always_killed(voice_agent):
    with voice_agent.connect():
        os.kill(os.getpid(), 9)
"""
    result = run(project, source, "-n2", "--reruns=1", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage, without={("test_is_killed_once", 1), ("test_is_always_killed", 1)})
    check_attachments(file, report_of(result), folder=project.path)
    assert file.figures["sessions"] == "4"
    assert attached(file) == {"test_is_always_killed"}
    assert [case.attempt for case in file.using if case.name == "test_is_killed_once"] == [("test_is_killed_once", 2)]


# The controller tells, in files of its own, which tests it has the last report of.
TELLS = """
import pytest
from pathlib import Path

@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.when == "teardown" and CONTROLLER:
        Path(f"reported-{report.nodeid.rpartition('::')[2]}").touch()

def pytest_configure(config):
    global CONTROLLER
    CONTROLLER = not hasattr(config, "workerinput")
"""


def wait_for(*files: Path) -> None:
    deadline = time.monotonic() + 20
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, files
        time.sleep(0.01)


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_ctrl_c_keeps_what_was_told_and_the_interrupted_test_is_in_the_totals(
    project: Project, vendor: Vendor, workers: str
) -> None:
    source = """
def test_fails(voice_agent):
    talk(voice_agent)
    assert False

def test_endless(voice_agent):
    with voice_agent.connect():
        time.sleep(60)

def test_passes(voice_agent):
    talk(voice_agent)

def test_endless_too(voice_agent):
    with voice_agent.connect():
        time.sleep(60)
"""
    project.write("test_it.py", HEAD + source)
    project.write("conftest.py", TELLS)
    process = project.start("--dg-budget=5m", "--junitxml=junit.xml", workers, env=vendor.environ)
    in_parallel = workers == "-n2"
    vendor.wait_open(4 if in_parallel else 2)
    reported = ["test_fails", "test_passes"] if in_parallel else ["test_fails"]
    wait_for(*(project.path / f"reported-{name}" for name in reported))
    process.send_signal(signal.SIGINT)
    result = project.result(process)
    file = read(result)
    check_figures(file, result.usage, without={("test_endless", 1), ("test_endless_too", 1)})
    check_attachments(file, report_of(result), folder=project.path)
    assert {case.name for case in file.using} == set(reported)
    assert attached(file) == {"test_fails"}
    assert (file.figures["verdict"], file.figures["sessions"]) == ("interrupted", "4" if in_parallel else "2")


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_figures_that_a_dead_gateway_took_with_it_are_unknown(project: Project, vendor: Vendor, workers: str) -> None:
    source = """
def test_passes(voice_agent):
    talk(voice_agent)

def test_loses_its_gateway(voice_agent):
    with voice_agent.connect() as session:
        Path("open").touch()
        while not Path("killed").exists():
            time.sleep(0.01)
        assert False
"""
    project.write("test_it.py", HEAD + source)
    project.write("conftest.py", TELLS)
    process = project.start("--dg-budget=5m", "--junitxml=junit.xml", workers, env=vendor.environ)
    wait_for(project.path / "open", project.path / "reported-test_passes")
    os.kill(gateway_of(process.pid), signal.SIGKILL)
    vendor.wait_closed(2)
    (project.path / "killed").touch()
    result = project.result(process)
    file = read(result)
    (lost,) = (case for case in file.using if case.name == "test_loses_its_gateway")
    unknown = {name for name, value in lost.figures.items() if value == "unknown"}
    assert unknown == {"seconds", "cost_usd"}
    assert (lost.figures["budget_seconds"], lost.figures["attempt"], lost.figures["sessions"]) == ("60.000", "1", "1")
    assert set(lost.request_ids) < {seen.request_id for seen in vendor.connections}
    assert len(lost.request_ids) == 1
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == {"test_loses_its_gateway"}
    file.cases.remove(lost)
    check_figures(file, result.usage, without={lost.attempt})


# Runs without sessions ----------------------------------------------------------------------------------------------

UNUSED = """
def test_passes():
    pass

def test_fails():
    assert False
"""


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_run_with_a_budget_that_nobody_used_has_the_suites_properties_alone(
    project: Project, vendor: Vendor, workers: str
) -> None:
    result = run(project, UNUSED, workers, vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    assert (file.using, file.figures["seconds"], file.figures["budget_seconds"]) == ([], "0.000", "300.000")
    assert attached(file) == set()


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_run_that_is_not_ours_has_nothing_of_us(project: Project, workers: str) -> None:
    project.write("test_it.py", UNUSED)
    file = read(project.run("--junitxml=junit.xml", workers))
    assert (file.figures, file.using, attached(file)) == ({}, [], set())


def test_without_junit_the_run_goes_well_and_has_its_report(project: Project, vendor: Vendor) -> None:
    project.write("test_it.py", HEAD + "def test_passes(voice_agent):\n    talk(voice_agent)\n")
    result = project.run("--dg-budget=5m", "-p", "no:junitxml", env=vendor.environ)
    assert result.status == 0, result.output
    assert (result.outcomes(), "Traceback" in result.output) == ({"test_passes": "passed"}, False)


# Where CI servers look ----------------------------------------------------------------------------------------------

ONE_FAILS = """
def test_fails(voice_agent):
    talk(voice_agent)
    assert False
"""


@pytest.mark.parametrize("how", ["itself", "by a link"])
def test_gitlab_finds_the_report_from_its_projects_folder(project: Project, vendor: Vendor, how: str) -> None:
    folder = project.path
    if how == "by a link":
        folder = project.path / "link"
        folder.symlink_to(project.path)
    project.path /= "inner"
    project.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    result = run(project, ONE_FAILS, vendor=vendor, env={"CI_PROJECT_DIR": str(folder)})
    file = read(result)
    check_attachments(file, report_of(result), folder=folder)
    assert file.of("test_fails")[0].attached == "inner/.dgbudget/report/usage.json"
    assert file.figures["report"] == "inner/.dgbudget/report/usage.json"


def test_jenkins_finds_the_report_by_its_absolute_path(project: Project, vendor: Vendor) -> None:
    arguments = ("-o", "dg_junit_attachment=absolute", "-o", "junit_logging=all")
    result = run(project, MANY, *arguments, vendor=vendor, env={"CI_PROJECT_DIR": str(project.path.parent)})
    file = read(result)
    check_attachments(file, report_of(result), folder=Path("/nowhere"))
    assert file.jenkins == [report_of(result)] * len(ATTACHED)
    assert file.figures["report"] == str(report_of(result))


def test_nothing_is_attached_with_attachments_off(project: Project, vendor: Vendor) -> None:
    result = run(project, MANY, "-o", "dg_junit_attachment=off", "-o", "junit_logging=all", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    assert not any("[[ATTACHMENT|" in (case.output or "") for case in file.cases)


def test_a_report_elsewhere_is_named_by_its_absolute_path(
    project: Project, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    result = run(project, ONE_FAILS, f"--dg-report-dir={elsewhere}", vendor=vendor)
    file = read(result)
    check_attachments(file, elsewhere / "usage.json", folder=project.path)
    assert file.jenkins == [elsewhere / "usage.json"]
    assert file.figures["report"] == str(elsewhere / "usage.json")


@pytest.mark.parametrize("logging", ["all", "no"])
def test_an_attachment_of_the_tests_own_stays_the_only_one(project: Project, vendor: Vendor, logging: str) -> None:
    source = """
def test_attaches(voice_agent):
    print("[[ATTACHMENT|screenshot.png]]")
    assert False

def test_almost_attaches(voice_agent):
    print("[[ATTACHMENT|]] [[ATTACHMENT|")
    assert False
"""
    result = run(project, source, "-o", f"junit_logging={logging}", vendor=vendor)
    file = read(result)
    ours = ".dgbudget/report/usage.json"
    own = ours if logging == "no" else "screenshot.png"
    assert [case.attached for case in file.cases] == [own, ours]
    assert all((case.output or "").count("usage.json") == (case.attached == ours) for case in file.cases)
