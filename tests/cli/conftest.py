"""Commands of ours, run as processes in a user's project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.project import Project, Result

DGBUDGET = (sys.executable, "-c", "import sys; from pytest_dgbudget.cli import main; sys.exit(main())")
PYTHON = sys.executable


class MeteredPrograms:
    """The programs of tests/projects/run_command, started by ``dgbudget run``."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.use("run_command")

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return self.project.launch([*DGBUDGET, "run", *arguments], env=env)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Result:
        return self.project.result(self.start(*arguments, env=env), timeout)


@pytest.fixture
def here(project: Project) -> Iterator[Path]:
    """The current directory: a project."""
    before = Path.cwd()
    os.chdir(project.path)
    yield project.path
    os.chdir(before)  # who is below the project's folder at its end is killed


@pytest.fixture
def programs(project: Project) -> MeteredPrograms:
    return MeteredPrograms(project)
