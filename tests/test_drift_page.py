"""The nightly jobs of docs/cassettes.md open one issue for each drift, however often it is found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.support.project import PROJECTS

PAGE = Path(__file__).parent.parent / "docs" / "cassettes.md"
SCRIPTS = {"GitHub": r"        run: \|\n((?: {10}.*\n)+)", "GitLab": r"    - \|\n((?: {6}.*\n)+)"}
Night = Callable[[dict[str, Any], int], int]

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def document(*drifts: str, fingerprint: str | None) -> dict[str, Any]:
    return {"fingerprint": fingerprint, "drifts": [{"rule": "message-new", "what": what} for what in drifts]}


@pytest.fixture(params=SCRIPTS)
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Night:
    """Run a job's script on a night on which the check finds this, and ends so; return its exit status."""
    (script,) = re.findall(SCRIPTS[request.param], PAGE.read_text(encoding="utf-8"))
    tools = PROJECTS / "nightly"
    (tmp_path / "issues").touch()
    environ = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "DOCUMENT": str(tmp_path / "document.json"),
        "ISSUES": str(tmp_path / "issues"),
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "7",
        "ISSUES_TOKEN": "token",
    }

    def run(found: dict[str, Any], status: int) -> int:
        (tmp_path / "document.json").write_text(json.dumps(found), encoding="utf-8")
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", dedent(script)],
            cwd=tmp_path,
            env={**environ, "STATUS": str(status)},
            check=False,
        ).returncode

    return run


def issues(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "issues").read_text(encoding="utf-8").splitlines()]


def test_each_drift_has_one_issue(night: Night, tmp_path: Path) -> None:
    for _ in range(2):
        assert night(document("AgentState came", "Mood came", fingerprint="0f3c9a51be77d2e4"), 1) == 0
    assert night(document("Other came", fingerprint="77d2e40f3c9a51be"), 1) == 0
    first, second = issues(tmp_path)
    assert first["title"] == "The Voice Agent has changed: 0f3c9a51be77d2e4"
    assert first["body"].splitlines() == ["- `message-new`: AgentState came", "- `message-new`: Mood came"]
    assert second["title"].endswith("77d2e40f3c9a51be")


@pytest.mark.parametrize("status", [0, 1])
def test_without_a_drift_there_is_no_issue_and_the_job_ends_as_the_check(
    night: Night, tmp_path: Path, status: int
) -> None:
    assert night(document(fingerprint=None), status) == status
    assert issues(tmp_path) == []
