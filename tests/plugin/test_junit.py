"""The JUnit file says what usage.json says, and CI servers find the report, however the run went."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.plugin.junit_checks import (
    OF_SUITE,
    attached,
    check_attachments,
    check_figures,
    check_terminal,
    figures_in,
    read,
    report_of,
    run,
    transcripts_in,
)
from tests.plugin.junit_readers import jenkins_xunit_refuses
from tests.support.processes import gateway_of
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.slow import slow
from tests.support.vendor import Vendor

MANY = "junit/test_many.py"
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


# Every mode ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        pytest.param("-n2 -o junit_logging=all", marks=pytest.mark.slow),
        pytest.param("--dist=each --tx 2*popen -o junit_logging=out-err", marks=pytest.mark.slow),
        pytest.param("-o junit_logging=no -o junit_family=xunit1", marks=pytest.mark.slow),
        pytest.param("-o junit_logging=system-out -o junit_family=xunit2", marks=pytest.mark.slow),
        pytest.param("-o junit_logging=log -o junit_family=legacy", marks=pytest.mark.slow),
        pytest.param("-o junit_logging=system-err", marks=pytest.mark.slow),
        pytest.param("-o junit_logging=out-err -o junit_log_passing_tests=false", marks=pytest.mark.slow),
        pytest.param("-o junit_logging=all -o junit_duration_report=call", marks=pytest.mark.slow),
    ],
)
def test_every_mode_has_each_attempts_figures_and_attaches_its_transcript(
    project: Project, vendor: Vendor, arguments: str
) -> None:
    result = run(project, [MANY, "junit/test_teardowns.py"], *arguments.split(), vendor=vendor)
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


@pytest.mark.parametrize("arguments", ["--reruns=2", pytest.param("--reruns=2 -n2", marks=pytest.mark.slow)])
def test_reruns_have_their_own_figures_and_never_double(project: Project, vendor: Vendor, arguments: str) -> None:
    result = run(project, [MANY, "junit/test_fails_once.py"], *arguments.split(), vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    assert [case.figures["attempt"] for case in file.of("test_fails")] == ["1", "2", "3"]
    assert [case.failed for case in file.of("test_fails")] == [False, False, True]
    assert [case.figures["attempt"] for case in file.of("test_fails_once")] == ["1", "2"]
    assert attached(file) == ATTACHED


@pytest.mark.slow
def test_an_attempt_that_says_nothing_itself_does_not_repeat_what_the_one_before_said(
    project: Project, vendor: Vendor
) -> None:
    result = run(project, ["junit/test_fails_twice.py"], "--reruns=1", vendor=vendor)
    check_figures(read(result), result.usage)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_the_first_failure_stops_the_run(project: Project, vendor: Vendor, workers: str) -> None:
    result = run(project, ["junit/test_first_failure.py"], "-x", workers, vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == {"test_fails"}


@pytest.mark.slow
def test_an_overrun_is_one_in_its_testcase_in_usage_json_and_in_the_terminal(project: Project, vendor: Vendor) -> None:
    result = run(project, ["junit/test_is_cut.py"], vendor=vendor, env={"COLUMNS": "120"})
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


# Strict readers -----------------------------------------------------------------------------------------------------

STRICT_MODES = [
    "",
    pytest.param("-n2 -o junit_logging=all", marks=pytest.mark.slow),
    pytest.param("--reruns=1 -o junit_logging=system-err", marks=pytest.mark.slow),
]


def strict(project: Project, vendor: Vendor, where: str, *arguments: str, files: tuple[str, ...] = (MANY,)) -> Result:
    result = run(project, files, "-o", f"dg_junit_properties={where}", *arguments, vendor=vendor)
    assert "INTERNALERROR" not in result.output
    return result


@pytest.mark.parametrize("arguments", STRICT_MODES)
def test_figures_of_the_suite_are_valid_for_strict_readers_and_each_testcase_has_a_line(
    project: Project, vendor: Vendor, arguments: str
) -> None:
    result = strict(project, vendor, "suite", *arguments.split(), files=(MANY, "junit/test_teardowns.py"))
    assert jenkins_xunit_refuses(result.path / "junit.xml") == []
    file = read(result)
    assert file.figures.keys() == OF_SUITE
    assert file.using == []
    assert {case.name for case in file.cases if figures_in(case)} == USING | LAST_FAILS_TWICE
    tag = "[[ATTACHMENT|.dgbudget/report/usage.json]]"
    outputs = [case.output or "" for case in file.cases]
    assert all(output.startswith(tag) == (tag in output) for output in outputs)
    assert attached(file) == ATTACHED | LAST_FAILS_TWICE
    written = sorted(
        (line["attempt"], line["seconds"], line["verdict"]) for line in map(figures_in, file.cases) if line
    )
    reported = [(str(t["attempt"]), f"{t['used_seconds']:.3f}", t["verdict"]) for t in result.usage["tests"]]
    assert written == sorted(reported)


@pytest.mark.parametrize("arguments", STRICT_MODES)
def test_with_off_the_file_has_nothing_of_ours_but_the_attachment(
    project: Project, vendor: Vendor, arguments: str
) -> None:
    result = strict(project, vendor, "off", *arguments.split())
    assert jenkins_xunit_refuses(result.path / "junit.xml") == []
    file = read(result)
    assert (file.figures, file.using) == ({}, [])
    assert not any(figures_in(case) for case in file.cases)
    assert attached(file) == ATTACHED


@pytest.mark.slow
@pytest.mark.parametrize("where", ["suite", "off"])
def test_what_a_crashed_worker_left_is_valid_for_strict_readers(project: Project, vendor: Vendor, where: str) -> None:
    result = strict(project, vendor, where, "-n2", files=("junit/killed",))
    assert jenkins_xunit_refuses(result.path / "junit.xml") == []
    lines = {case.name for case in read(result).cases if figures_in(case)}
    assert bool(lines) == (where == "suite")


@pytest.mark.slow
def test_properties_of_testcases_are_what_strict_readers_refuse(project: Project, vendor: Vendor) -> None:
    result = run(project, ["junit/test_fails.py"], vendor=vendor)
    assert any("properties" in reason for reason in jenkins_xunit_refuses(result.path / "junit.xml"))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["suite", "off"])
def test_text_that_xml_can_not_hold_is_valid_for_strict_readers(project: Project, vendor: Vendor, where: str) -> None:
    unescaped = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"
    result = strict(project, vendor, where, "-o", unescaped, files=("junit/test_odd_text.py",))
    assert jenkins_xunit_refuses(result.path / "junit.xml") == []
    assert len(attached(read(result))) == 5


@pytest.mark.slow
def test_a_folder_whose_name_xml_can_not_hold_leaves_a_file_that_can_be_read(tmp_path: Path, vendor: Vendor) -> None:
    """An attachment is a path, and a path may have any character but NUL."""
    folder = tmp_path / "odd\x1b&<"
    folder.mkdir()
    project = Project(folder)
    result = run(project, ["junit/test_fails.py"], "-o", "dg_junit_attachment=absolute", vendor=vendor)
    project.end()
    ((attached_file,),) = [[case.attached for case in read(result).cases]]
    assert attached_file is not None
    assert attached_file.startswith(f"{tmp_path}/odd#x1B&</.dgbudget/report/artifacts/")


@pytest.mark.slow
def test_what_a_test_records_itself_stays_where_it_is(project: Project, vendor: Vendor) -> None:
    result = strict(project, vendor, "suite", files=("junit/test_records.py",))
    (case,) = ElementTree.parse(result.path / "junit.xml").iter("testcase")
    assert [(each.get("name"), each.get("value")) for each in case.iter("property")] == [("mine", "1")]
    assert figures_in(read(result).cases[0])["sessions"] == "1"


# Crashes and interruptions ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_crashed_workers_test_has_its_figures_once_and_the_report(project: Project, vendor: Vendor) -> None:
    result = run(project, ["junit/killed"], "-n2", "-o", "junit_logging=all", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    killed = {
        "test_is_killed",
        "test_is_killed_in_setup",
        "test_fails_and_is_killed_in_teardown",
        "test_is_killed_after_its_reports",
    }
    assert attached(file) == killed
    killed_after = [(case.failed, bool(case.figures)) for case in file.of("test_is_killed_after_its_reports")]
    assert killed_after == [(False, True), (True, False)]
    assert {case.name for case in file.using} == {"test_passes", *killed}
    (without,) = file.of("test_is_killed_without_using_it")
    assert without.failed


@pytest.mark.slow
def test_a_worker_that_crashes_after_the_fixtures_end_leaves_the_figures(project: Project, vendor: Vendor) -> None:
    result = run(project, ["junit/test_killed_late.py"], "-n2", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == {"test_is_killed"}


@pytest.mark.slow
def test_a_crashed_attempt_that_is_run_again_is_in_the_suites_totals_alone(project: Project, vendor: Vendor) -> None:
    result = run(project, ["junit/test_killed_once.py"], "-n2", "--reruns=1", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage, without={("test_is_killed_once", 1), ("test_is_always_killed", 1)})
    check_attachments(file, report_of(result), folder=project.path)
    assert file.figures["sessions"] == "4"
    assert attached(file) == {"test_is_always_killed"}
    assert [case.attempt for case in file.using if case.name == "test_is_killed_once"] == [("test_is_killed_once", 2)]


def wait_for(*files: Path) -> None:
    deadline = time.monotonic() + 20
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, files
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_ctrl_c_keeps_what_was_reported_and_the_interrupted_test_is_in_the_totals(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("junit/test_endless.py", "junit/reported")
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


@pytest.mark.slow
@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_figures_that_a_dead_gateway_took_with_it_are_unknown(project: Project, vendor: Vendor, workers: str) -> None:
    project.use("junit/test_lost.py", "junit/reported")
    process = project.start("--dg-budget=5m", "--junitxml=junit.xml", workers, env=vendor.environ)
    wait_for(project.path / "open", project.path / "reported-test_passes")
    os.kill(gateway_of(process.pid), signal.SIGKILL)
    vendor.wait_closed(2)
    (project.path / "killed").touch()
    result = project.result(process)
    file = read(result)
    (lost,) = (case for case in file.using if case.name == "test_loses_its_gateway")
    unknown = {name for name, value in lost.figures.items() if value == "unknown"}
    assert unknown == {"seconds", "cost_usd", "turns", "latency_p50_ms", "latency_p95_ms"}
    assert (lost.figures["budget_seconds"], lost.figures["attempt"], lost.figures["sessions"]) == ("60.000", "1", "1")
    assert set(lost.request_ids) < {seen.request_id for seen in vendor.connections}
    assert len(lost.request_ids) == 1
    check_attachments(file, report_of(result), folder=project.path)
    assert attached(file) == {"test_loses_its_gateway"}
    file.cases.remove(lost)
    check_figures(file, result.usage, without={lost.attempt})


# Runs without sessions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_run_with_an_unused_budget_has_the_suites_properties_alone(
    project: Project, vendor: Vendor, workers: str
) -> None:
    result = run(project, ["junit/test_unused.py"], workers, vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    assert (file.using, file.figures["seconds"], file.figures["budget_seconds"]) == ([], "0.000", "300.000")
    assert attached(file) == set()


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_run_that_is_not_ours_has_nothing_of_us(project: Project, workers: str) -> None:
    project.use("junit/test_unused.py")
    file = read(project.run("--junitxml=junit.xml", workers))
    assert (file.figures, file.using, attached(file)) == ({}, [], set())


@pytest.mark.slow
def test_without_junit_the_run_goes_well_and_has_its_report(project: Project, vendor: Vendor) -> None:
    project.use("options/test_uses.py")
    result = project.run("--dg-budget=5m", "-p", "no:junitxml", env=vendor.environ)
    assert result.status == 0, result.output
    assert (result.outcomes(), "Traceback" in result.output) == ({"test_uses": "passed"}, False)


# Where CI servers look ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["itself", slow("by a link")])
def test_gitlab_finds_the_report_from_its_projects_folder(project: Project, vendor: Vendor, how: str) -> None:
    folder = project.path
    if how == "by a link":
        folder = project.path / "link"
        folder.symlink_to(project.path)
    project.path /= "inner"
    project.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    result = run(project, ["junit/test_fails.py"], vendor=vendor, env={"CI_PROJECT_DIR": str(folder)})
    file = read(result)
    check_attachments(file, report_of(result), folder=folder)
    attached_file = file.of("test_fails")[0].attached
    assert attached_file is not None
    assert attached_file.startswith("inner/.dgbudget/report/artifacts/test_fails.py_test_fails-")
    assert file.figures["report"] == "inner/.dgbudget/report/usage.json"


def test_jenkins_finds_the_report_by_its_absolute_path(project: Project, vendor: Vendor) -> None:
    arguments = ("-o", "dg_junit_attachment=absolute", "-o", "junit_logging=all")
    result = run(project, [MANY], *arguments, vendor=vendor, env={"CI_PROJECT_DIR": str(project.path.parent)})
    file = read(result)
    check_attachments(file, report_of(result), folder=Path("/nowhere"))
    with_session = ATTACHED & transcripts_in(report_of(result)).keys()
    assert with_session == {"test_fails", "test_passes_unexpectedly"}
    assert file.jenkins.count(report_of(result)) == len(ATTACHED - with_session)
    assert len(file.jenkins) == len(ATTACHED)
    assert all(path.is_absolute() for path in file.jenkins)
    assert file.figures["report"] == str(report_of(result))


def test_nothing_is_attached_with_attachments_off(project: Project, vendor: Vendor) -> None:
    result = run(project, [MANY], "-o", "dg_junit_attachment=off", "-o", "junit_logging=all", vendor=vendor)
    file = read(result)
    check_figures(file, result.usage)
    assert not any("[[ATTACHMENT|" in (case.output or "") for case in file.cases)


@pytest.mark.slow
def test_a_report_elsewhere_is_named_by_its_absolute_path(
    project: Project, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    result = run(project, ["junit/test_fails.py"], f"--dg-report-dir={elsewhere}", vendor=vendor)
    file = read(result)
    check_attachments(file, elsewhere / "usage.json", folder=project.path)
    ((transcript,),) = transcripts_in(elsewhere / "usage.json").values()
    assert file.jenkins == [transcript]
    assert file.figures["report"] == str(elsewhere / "usage.json")


@pytest.mark.parametrize("logging", ["all", slow("no")])
def test_an_attachment_of_the_tests_own_stays_the_only_one(project: Project, vendor: Vendor, logging: str) -> None:
    result = run(project, ["junit/test_attaches.py"], "-o", f"junit_logging={logging}", vendor=vendor)
    file = read(result)
    ours = ".dgbudget/report/usage.json"
    own = ours if logging == "no" else "screenshot.png"
    assert [case.attached for case in file.cases] == [own, ours]
    assert all((case.output or "").count("usage.json") == (case.attached == ours) for case in file.cases)
