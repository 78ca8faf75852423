"""What a run leaves beside usage.json and in GitHub's hands: however it ended, and whatever its tests are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dgbudget.report.rendering import RENDERINGS
from tests.support.processes import wait_until
from tests.support.project import ALONE_AND_UNDER_XDIST, Project, Result
from tests.support.rebuilt import rebuilt_elsewhere
from tests.support.vendor import Vendor

pytestmark = pytest.mark.slow

UNESCAPED = ("-o", "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true")
# Where it is installed.
ALONE = ("-p", "no:pytest_github_actions_annotate_failures")


@pytest.fixture
def summary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The summary of a step, in which another program has written."""
    path = tmp_path_factory.mktemp("runner") / "summary"
    path.write_text("# Another\n", encoding="utf-8")
    return path


def of_github(vendor: Vendor, summary: Path) -> dict[str, str]:
    workspace = str(summary.parent)
    return {
        **vendor.environ,
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": workspace,
    }


def page_of(project: Project) -> str:
    return (project.path / ".dgbudget/report/usage.md").read_text(encoding="utf-8")


def commands_of(result: Result) -> list[str]:
    return [line for line in result.output.splitlines() if line.startswith("::")]


# Made anew


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_rebuilt_elsewhere_the_files_have_the_same_bytes(
    project: Project, vendor: Vendor, tmp_path_factory: pytest.TempPathFactory, workers: str
) -> None:
    """In a process with other hashes, another language and another encoding, with other names than ASCII's."""
    project.use("junit/test_odd_text.py", "junit/test_is_cut.py")
    result = project.run("--dg-budget=5m", workers, *UNESCAPED, env=vendor.environ)
    assert result.status == 1, result.output
    folder, rebuilt = project.path / ".dgbudget/report", tmp_path_factory.mktemp("rebuilt")
    rebuilt_elsewhere(folder / "usage.json", rebuilt)
    for name in RENDERINGS:
        assert (rebuilt / name).read_bytes() == (folder / name).read_bytes()


def test_the_terminal_names_report_and_page_as_they_are_found_from_where_pytest_was_started(
    project: Project, vendor: Vendor
) -> None:
    project.use("junit/test_is_cut.py")
    (project.path / "inner").mkdir()
    result = project.run("--dg-budget=5m", "--rootdir=inner", env=vendor.environ)
    report = "inner/.dgbudget/report"
    assert f"; report {report}/usage.json\n" in result.output
    assert f"\nreport: {report}/usage.json\npage: {report}/usage.html\n" in result.output
    assert (project.path / report / "usage.html").is_file()


# The summary of a step


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_each_run_of_a_step_appends_its_last_page_once(
    project: Project, vendor: Vendor, summary: Path, workers: str
) -> None:
    """Each is written twice: once before the statement was read, and once with it."""
    project.use("junit/test_is_cut.py")
    pages = []
    for _ in range(2):
        project.run("--dg-budget=5m", workers, env=of_github(vendor, summary))
        pages.append(page_of(project))
    assert "#### Reconciliation" in pages[0]
    assert "pending" not in pages[0]
    assert summary.read_text(encoding="utf-8") == "\n".join(["# Another\n", *pages])


def test_i10_the_gateway_appends_the_run_of_a_pytest_that_was_killed(
    project: Project, vendor: Vendor, summary: Path
) -> None:
    project.use("killed/test_endless.py")
    process = project.start("--dg-budget=3m", env=of_github(vendor, summary))
    vendor.wait_open(1)
    process.kill()
    project.result(process)
    wait_until(lambda: "Voice agent budget" in summary.read_text(encoding="utf-8"))
    assert "it never said that it finished" in page_of(project)
    assert summary.read_text(encoding="utf-8") == f"# Another\n\n{page_of(project)}"


def test_a_summary_that_is_not_there_costs_a_notice(project: Project, vendor: Vendor, summary: Path) -> None:
    project.use("junit/test_is_cut.py")
    summary.unlink()
    result = project.run("--dg-budget=5m", env=of_github(vendor, summary))
    assert "GITHUB_STEP_SUMMARY has nothing of this run: " in result.output
    assert not summary.exists()


def test_a_pytest_that_a_test_starts_is_no_run_of_the_step(project: Project, vendor: Vendor, summary: Path) -> None:
    project.use("junit/test_is_cut.py", "junit/test_starts_pytest.py")
    result = project.run("--dg-budget=5m", "test_starts_pytest.py", env=of_github(vendor, summary))
    assert result.status == 0, result.output
    assert summary.read_text(encoding="utf-8").count("Voice agent budget") == 1


# Annotations


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_an_overrun_is_annotated_at_the_line_of_its_test(
    project: Project, vendor: Vendor, summary: Path, workers: str
) -> None:
    """Its path is that of the repository, in which the project is a folder."""
    project.use("junit/test_is_cut.py")
    environment = {**of_github(vendor, summary), "GITHUB_WORKSPACE": str(project.path.parent)}
    result = project.run("--dg-budget=5m", "-q", workers, *ALONE, env=environment)
    lines = (project.path / "test_is_cut.py").read_text(encoding="utf-8").splitlines()
    cut, refused = sorted(commands_of(result), key=lambda command: "is_refused" in command)
    for command, mark in ((cut, '@pytest.mark.dg_budget("1s")'), (refused, '@pytest.mark.dg_budget("0s")')):
        where = f"file={project.path.name}/test_is_cut.py,line={1 + lines.index(mark)}"
        assert command.startswith(f"::error {where},title=Voice agent budget")
    assert "test_is_cut.py::test_is_cut: test budget of 1s used up" in cut


def test_where_another_plugin_annotates_failures_there_is_none(project: Project, vendor: Vendor, summary: Path) -> None:
    """It is known by its name, here as a module that annotates nothing."""
    project.use("junit/test_is_cut.py")
    project.write("pytest_github_actions_annotate_failures.py", "")
    environment = {**of_github(vendor, summary), **project.importable}
    result = project.run("--dg-budget=5m", "-p", "pytest_github_actions_annotate_failures", env=environment)
    assert commands_of(result) == []


def test_elsewhere_there_is_none(project: Project, vendor: Vendor) -> None:
    project.use("junit/test_is_cut.py")
    assert commands_of(project.run("--dg-budget=5m", env=vendor.environ)) == []
