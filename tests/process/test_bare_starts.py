"""The gateway starts with what pytest was started with, whatever a test has made of it."""

from __future__ import annotations

import os
import sys

import pytest

from tests.support.project import PYTEST, Project


def test_a_gateway_starts_where_only_sys_path_knows_us_and_a_test_has_left_nothing_else(
    project: Project,
) -> None:
    project.use("bare_start/start.py", "bare_start/test_cleared.py")
    python = getattr(sys, "_base_executable", sys.executable)  # in which a virtual environment's packages are unknown
    packages = os.pathsep.join(path for path in sys.path if path)
    command = [python, "-I", "-S", "start.py", *PYTEST[3:], "--dg-target=emulator"]
    result = project.result(project.launch(command, env={"PACKAGES": packages}))
    assert (result.status, result.outcomes()) == (0, {"test_cleared": "passed"}), result.output


@pytest.mark.slow
def test_a_folder_of_tests_with_a_librarys_name_is_reported_with_what_to_do(project: Project) -> None:
    project.write("tests/websockets/__init__.py", "")
    project.write("tests/websockets/test_it.py", "def test_it(voice_agent): pass\n")
    result = project.run()
    assert result.status == 4, result.output
    assert "voice_agent can't be loaded: No module named 'websockets.asyncio'" in result.output
    assert "Traceback" not in result.output
    project.write("tests/__init__.py", "")
    assert project.run().status == 0
