"""The workflows of docs/ci-github-matrix.md and docs/ci-gitlab-parallel.md: each line of their jobs runs as it stands.

What the services do between jobs is done here: copies of the project, artifacts, their folders. Without a key, as for a
pull request from a fork.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.ci_jobs import BLANK, gitlab_job, run_lines
from tests.support.project import Project
from tests.support.workflows import parsed

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("ci-github-matrix", "ci-gitlab-parallel")
BLOCK = re.compile(r"<!-- workflow: (\w+) -->\n```yaml\n(.*?)```", re.DOTALL)

WITHIN = """
def test_{name}(voice_agent):
    with voice_agent.connect():
        pass
"""
OVERRUN = """
import pytest

@pytest.mark.dg_budget("500ms")
def test_talks_too_long(voice_agent):
    with voice_agent.connect() as session:
        while True:
            session.say("And then?")
"""


def workflow(page: str, name: str) -> Any:
    blocks = dict(BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")))
    return parsed(blocks[name])


def suite(project: Project, last: str) -> Path:
    """Write a project of three test files, and return its folder: what a job checks out."""
    for name in ("calls", "orders"):
        project.write(f"checkout/tests/test_{name}.py", WITHIN.format(name=name))
    project.write("checkout/tests/test_talk.py", last)
    project.write("checkout/pyproject.toml", "[tool.pytest.ini_options]\n")
    return project.path / "checkout"


def verdict_of(report: Path) -> tuple[str, bool, list[str], int]:
    document = json.loads(report.read_text(encoding="utf-8"))
    ids = [shard["run"]["id"] for shard in document["shards"]]
    return document["run"]["verdict"], document["run"]["budget_seconds"] == 600, ids, len(document["tests"])


# GitHub ---------------------------------------------------------------------------------------------------------------


def evaluated(value: str, index: int, total: int) -> str:
    """Return a text with what GitHub puts in the place of its expressions."""
    known = {
        "strategy.job-index": str(index),
        "strategy.job-total": str(total),
        "matrix.shard": str(index + 1),
        "github.run_id": "77",
        "github.run_attempt": "1",
        **{f"secrets.{name}": value for name, value in BLANK.items()},
    }
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], value)


def github_job(job: Any, folder: Path, index: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the steps of one job; what its ``env`` says holds for all of these that have none of their own."""
    total = len(job["strategy"]["matrix"]["shard"]) if "strategy" in job else 1
    steps = [step for step in job["steps"] if "run" in step]
    variables = {**job.get("env", {}), **{k: v for step in steps for k, v in step.get("env", {}).items()}}
    lines = [line for step in steps for line in evaluated(step["run"], index, total).splitlines()]
    return run_lines(lines, folder, {name: evaluated(value, index, total) for name, value in variables.items()})


def upload(job: Any, folder: Path, store: Path, index: int = 0) -> None:
    (step,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/upload-artifact@")]
    assert step["if"] == "always()"
    assert step["with"]["include-hidden-files"]
    for path in step["with"]["path"].split():
        source, target = folder / path, store / evaluated(step["with"]["name"], index, 0) / path
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


@pytest.mark.slow
@pytest.mark.parametrize(("last", "status"), [(WITHIN.format(name="talk"), 0), (OVERRUN, 1)], ids=["within", "overrun"])
def test_a_matrix_on_github_has_one_verdict(project: Project, last: str, status: int) -> None:
    jobs = workflow("ci-github-matrix", "static")["jobs"]
    checkout, store = suite(project, last), project.path / "store"
    for index in range(3):
        folder = Path(shutil.copytree(checkout, project.path / f"machine-{index}"))
        done = github_job(jobs["test"], folder, index)
        assert done.returncode == (status if "too_long" in done.stdout else 0), done.stdout + done.stderr
        assert "emulator, nothing is billed; run budget 3m20s" in done.stdout
        upload(jobs["test"], folder, store, index)
    (download,) = [step["with"] for step in jobs["verdict"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert download["pattern"] == "voice-*"
    last_machine = Path(shutil.copytree(checkout, project.path / "last"))
    shutil.copytree(store, last_machine / download["path"])
    done = github_job(jobs["verdict"], last_machine)
    assert done.returncode == status, done.stdout + done.stderr
    verdict, adds_up, ids, tests = verdict_of(last_machine / "shards/usage.json")
    assert (verdict == "overrun", adds_up, tests) == (bool(status), True, 3)
    assert sorted(ids) == ["77-1-1", "77-1-2", "77-1-3"]
    assert jobs["verdict"]["if"] == "always()"


# GitLab ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_parallel_jobs_on_gitlab_have_one_verdict(project: Project) -> None:
    jobs = workflow("ci-gitlab-parallel", "static")
    checkout = suite(project, OVERRUN)
    last = Path(shutil.copytree(checkout, project.path / "last"))
    for index in (1, 2, 3):
        folder = Path(shutil.copytree(checkout, project.path / f"machine-{index}"))
        done = gitlab_job(jobs["voice"], folder, index)
        assert done.returncode == ("too_long" in done.stdout), done.stdout + done.stderr
        assert (folder / jobs["voice"]["artifacts"]["reports"]["junit"]).is_file()
        for path in jobs["voice"]["artifacts"]["paths"]:
            before = {file for file in (last / path).rglob("*") if file.is_file()}
            shutil.copytree(folder / path, last / path, dirs_exist_ok=True)
            assert before.isdisjoint(last / path / file for file in (folder / path).rglob("*")), (
                "one overwrites another"
            )
    assert [jobs[name]["stage"] for name in ("voice", "verdict")] == jobs["stages"]
    done = gitlab_job(jobs["verdict"], last)
    assert done.returncode == 1, done.stdout + done.stderr
    verdict, adds_up, ids, tests = verdict_of(last / "report/usage.json")
    assert (verdict, adds_up, tests, sorted(ids)) == ("overrun", True, 3, ["771", "772", "773"])
    assert jobs["verdict"]["when"] == "always"


# Both -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_each_workflow_can_be_read(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == text.count("```yaml") == 2
    assert all(isinstance(workflow(page, name), dict) for name in ("static", "shared"))


@pytest.mark.parametrize(
    "text",
    [
        "run: a: b",
        "run: a #b",
        "run: 'it''s quoted'",
        'run: "quoted"',
        "run: *alias",
        "run: {a: b}",
        "run: >",
        "run:",
        "a: 1\na: 2",
        "a: 1\n  b: 2",
        "a:\n  - 1\n b: 2",
        "\ta: 1",
        "just a text",
    ],
)
def test_what_yaml_might_read_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parsed(text)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_jobs_that_share_a_ledger_run_without_one_as_in_a_fork(project: Project, page: str) -> None:
    shared, folder = workflow(page, "shared"), suite(project, WITHIN.format(name="talk"))
    done = github_job(shared["jobs"]["test"], folder) if "github" in page else gitlab_job(shared["voice"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "emulator, nothing is billed; run budget 10m" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_more_jobs_than_files_fail_instead_of_running_all(project: Project, page: str) -> None:
    static, folder = workflow(page, "static"), suite(project, WITHIN.format(name="talk"))
    for file in sorted((folder / "tests").iterdir())[1:]:
        file.unlink()
    if "github" in page:
        done = [github_job(static["jobs"]["test"], folder, index) for index in (0, 2)]
    else:
        done = [gitlab_job(static["voice"], folder, index) for index in (2, 3)]
    assert [each.returncode for each in done] == [1, 1]
    assert not any(each.stdout for each in done), "pytest has run"
