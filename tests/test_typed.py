"""A user's file is type-checked as strictly as can be, and what is wrong in it is found."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

PYRIGHT = '{"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": true}'
COMMANDS = {
    "mypy": ("mypy", "--strict", "--config-file=", "--exclude=below", "."),
    "pyright": ("pyright", "--pythonpath", sys.executable, "--project", "pyrightconfig.json"),
}


@pytest.mark.parametrize("users", ["typed", "hooks", "hooks_webhook"])
@pytest.mark.parametrize("checker", COMMANDS)
def test_a_users_file_is_typed(project: Project, checker: str, users: str) -> None:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    project.use(users)
    project.write("pyrightconfig.json", PYRIGHT)
    command = [sys.executable, "-m", *COMMANDS[checker]]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=180, check=False)
    if checker == "pyright" and "error" not in done.stdout and done.returncode:
        pytest.skip(f"pyright can't be had here: {done.stderr[-300:]}")  # it is installed by npm when it is first run
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_file_runs(project: Project) -> None:
    project.use("typed")
    result = project.run("--dg-target=emulator")
    assert "2 passed" in result.output
