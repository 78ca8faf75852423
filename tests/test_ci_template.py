"""templates/dgbudget.yml: the lines of its jobs run as they stand, on the emulator, as where the key is protected."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.report.usage_reading import read_usage
from tests.support.ci_jobs import PATH, gitlab_job
from tests.support.project import PROJECTS
from tests.support.workflows import parsed

ROOT = Path(__file__).parent.parent
SPEC, JOBS = (ROOT / "templates/dgbudget.yml").read_text(encoding="utf-8").split("\n---\n")
INPUTS: Any = parsed(SPEC)["spec"]["inputs"]
_, _, PAGE = (ROOT / "docs/ci-action.md").read_text(encoding="utf-8").partition("\n## GitLab\n")
KEPT = {"usage.json", "usage.md", "usage.html", "usage.css", "metrics.txt", "metrics-gitlab.txt", "junit.xml"}
EXAMPLES: Any = [parsed(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def jobs(**inputs: str) -> Any:
    """Return the template's jobs, as they are where it is included with these inputs."""
    given = {name: inputs.get(name.replace("-", "_"), each.get("default")) for name, each in INPUTS.items()}
    return parsed(re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: str(given[match[1]]), JOBS))


def script(name: str) -> str:
    (lines,) = jobs(budget="10m")[name]["script"]
    return str(lines)


def extended(job: Any) -> Any:
    """Return a job of the page's, with what it has of the template, as GitLab puts them together."""
    given = jobs(budget="10m")[job["extends"]]
    variables = {name: str(value) for name, value in {**given["variables"], **job.get("variables", {})}.items()}
    return {**given, **job, "variables": variables, "script": [*job["before_script"], *given["script"]]}


def test_no_input_stands_in_a_shell_script() -> None:
    for job in parsed(JOBS).values():
        assert "$[[" not in "".join(job["script"])


def test_each_input_is_used_and_has_a_description() -> None:
    assert set(re.findall(r"inputs\.([\w-]+)", JOBS)) == set(INPUTS)
    assert all(each["description"] for each in INPUTS.values())
    assert [name for name, each in INPUTS.items() if "default" not in each] == ["budget"]


def test_the_page_names_each_input() -> None:
    assert set(re.findall(r"^\| `([\w-]+)`", PAGE, re.MULTILINE)) == set(INPUTS)
    included = [include for example in EXAMPLES for include in example.get("include", [])]
    assert [set(each["inputs"]) for each in included] == [{"budget"}] * 2


@pytest.mark.parametrize("name", [".dgbudget", ".dgbudget-verdict"])
def test_shellcheck_finds_nothing(name: str) -> None:
    """But that the Python is a command of several words."""
    shellcheck = shutil.which("shellcheck", path=PATH) or pytest.skip("shellcheck is not installed")
    done = subprocess.run(
        [shellcheck, "--shell=sh", "--exclude=SC2086", "-"],
        input=script(name),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""


def test_what_is_kept_is_there_whatever_becomes_of_the_job() -> None:
    job, verdict = jobs(budget="10m", report_dir="reports").values()
    assert (job["artifacts"]["when"], verdict["artifacts"]["when"], verdict["when"]) == ("always",) * 3
    assert job["artifacts"]["reports"] == {
        "junit": "reports/$CI_JOB_NAME_SLUG/junit.xml",
        "metrics": "reports/$CI_JOB_NAME_SLUG/metrics-gitlab.txt",
    }
    assert verdict["artifacts"]["reports"] == {"metrics": "reports/metrics-gitlab.txt"}
    assert job["artifacts"]["paths"] == verdict["artifacts"]["paths"] == ["reports/"]


def test_merge_requests_link_the_reports() -> None:
    """Nothing is linked of paths with a variable, with a wildcard, or of a folder without its slash."""
    for job in jobs(budget="10m").values():
        assert re.fullmatch(r"\w[-\w ]{,99}", job["artifacts"]["expose_as"])
        assert [path for path in job["artifacts"]["paths"] if re.search(r"[$*?]|[^/]$", path)] == []


@pytest.mark.slow
def test_the_pages_parallel_jobs_have_one_verdict(tmp_path: Path) -> None:
    """In one folder, which has all reports, as the last job's has."""
    (tmp_path / "tests").mkdir()
    for name, test in (("test_1", "test_within"), ("test_2", "test_within"), ("test_3", "test_overrun")):
        shutil.copy(PROJECTS / f"ci/{test}.py", tmp_path / f"tests/{name}.py")
    voice, verdict = (extended(job) for job in EXAMPLES[-1].values())
    for index in range(1, voice["parallel"] + 1):
        done = gitlab_job(voice, tmp_path, index)
        assert done.returncode == (index == 3), done.stdout + done.stderr
        assert "dgbudget: emulator, nothing is billed; run budget 10m" in done.stdout
        assert (tmp_path / f"report/voice-{index}/junit.xml").is_file()
        assert not (tmp_path / f"report/voice-{index}/metrics-gitlab.txt").exists()
    (attached,) = re.findall(r"\[\[ATTACHMENT\|(.+?)\]\]", (tmp_path / "report/voice-3/junit.xml").read_text())
    assert attached.startswith("report/voice-3/artifacts/")
    assert (tmp_path / attached).is_file()
    assert gitlab_job(verdict, tmp_path).returncode == 1
    assert names_in(tmp_path / "report") >= KEPT - {"junit.xml"}
    assert "dgbudget_run_verdict{verdict=overrun}" in metrics_in_merge_requests(tmp_path / "report")
    report = read_usage(tmp_path / "report/usage.json", tmp_path)
    assert (report["run"]["verdict"], report["run"]["budget_seconds"], len(report["tests"])) == ("overrun", 1800, 3)


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def metrics_in_merge_requests(folder: Path) -> list[str]:
    """Return the names in a job's file for GitLab, which cuts each line at # and splits the rest as a shell does."""
    lines = (folder / "metrics-gitlab.txt").read_text(encoding="utf-8").splitlines()
    return [words[0] for words in (shlex.split(re.sub("#.*", "", line)) for line in lines) if words]


@pytest.mark.slow
def test_metrics_in_merge_requests_are_the_runs_whatever_its_tests_are_called(tmp_path: Path) -> None:
    shutil.copy(PROJECTS / "ci/test_hash_in_id.py", tmp_path)
    (job, _) = jobs(budget="10m").values()
    done = gitlab_job(job, tmp_path)
    assert done.returncode == 0, done.stdout
    kept = (tmp_path / "report/voice-1/metrics.txt").read_text(encoding="utf-8")
    assert " #1]" in kept
    shown = metrics_in_merge_requests(tmp_path / "report/voice-1")
    assert {"dgbudget_run_used_seconds", "dgbudget_run_cost_usd", "dgbudget_run_verdict{verdict=within}"} < set(shown)
    assert not [name for name in shown if re.match("dgbudget_test_|dgbudget_run_info|.*timestamp", name)]


@pytest.mark.slow
def test_a_job_keeps_the_log_of_a_gateway_that_failed_and_the_status_of_pytest(tmp_path: Path) -> None:
    """A usage error: there is no report, and so no metrics."""
    (tmp_path / ".dgbudget").mkdir()
    (tmp_path / ".dgbudget/gateway-1.log").write_text("what went wrong", encoding="utf-8")
    job, _ = jobs(budget="ten minutes").values()
    assert gitlab_job(job, tmp_path).returncode == 4
    assert names_in(tmp_path / "report/voice-1") == {"gateway-1.log"}


@pytest.mark.slow
def test_a_job_without_a_session_keeps_its_report(tmp_path: Path) -> None:
    shutil.copy(PROJECTS / "ci/test_without_session.py", tmp_path)
    job, _ = jobs(budget="10m", report_dir="reports of jobs").values()
    done = gitlab_job(job, tmp_path)
    assert done.returncode == 0, done.stdout
    assert names_in(tmp_path / "reports of jobs/voice-1") >= KEPT


@pytest.mark.slow
def test_a_report_that_is_missing_fails_the_verdict(tmp_path: Path) -> None:
    shutil.copy(PROJECTS / "ci/test_within.py", tmp_path)
    job, verdict = jobs(budget="10m").values()
    job["variables"]["DGBUDGET_PYTEST_ARGS"] = "'test_within.py' -p no:cacheprovider"
    assert gitlab_job(job, tmp_path).returncode == 0
    statuses = []
    for shards in ("", "1", "2"):
        verdict["variables"]["DGBUDGET_SHARDS"] = shards
        statuses.append(gitlab_job(verdict, tmp_path).returncode)
    assert statuses == [0, 0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("value", ["$(touch made)", "`touch made`", "\"; touch made; '", "*"])
def test_what_a_variable_says_is_never_run(tmp_path: Path, value: str) -> None:
    """By a shell that has nothing but POSIX, as images without bash."""
    names = (
        "DG_BUDGET",
        "DG_RUN_ID",
        "DGBUDGET_PYTEST_ARGS",
        "DGBUDGET_JOB_REPORTS",
        "DGBUDGET_SHARDS",
        "CI_JOB_NAME_SLUG",
    )
    given = {**os.environ, **dict.fromkeys(names, value), "DGBUDGET_JOB_PYTHON": sys.executable}
    for name in (".dgbudget", ".dgbudget-verdict"):
        subprocess.run(["sh", "-e", "-c", script(name)], cwd=tmp_path, env=given, timeout=50, check=False)
    assert not list(tmp_path.rglob("made"))
