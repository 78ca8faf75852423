"""The commands of docs/ci.md run as they stand, and leave the files that the page says to keep."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import Project

PAGE = (Path(__file__).parent.parent / "docs/ci.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- command: (.+?) -->\n```\w+\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(pytest --dg-budget[^'\n]*)")


@pytest.mark.slow
@pytest.mark.parametrize(("variables", "block"), BLOCK.findall(PAGE), ids=["GitHub", "GitLab", "Jenkins"])
def test_a_job_leaves_what_is_to_be_kept(project: Project, variables: str, block: str) -> None:
    """Without a key, as for a pull request from a fork."""
    project.use("disk/test_one.py")
    given = dict(variable.split("=") for variable in variables.split())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    (command,) = COMMAND.findall(block)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project.path,
        env={**os.environ, **given, "PATH": path, "DEEPGRAM_API_KEY": ""},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "dgbudget: emulator, nothing is billed; run budget 10m" in done.stdout
    for file in re.findall(r"junit\.xml|\.dgbudget/[\w/]+\.json", block):
        assert (project.path / file).is_file()
