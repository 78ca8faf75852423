"""A loop that runs is not a blocked test: plain tests use ``with`` beside another greenlet's loop and in a notebook."""

from __future__ import annotations

import sys

import pytest

from tests.support.project import PYTEST, Project


def test_a_plain_test_waits_in_a_notebooks_cell_and_beside_a_loop_that_was_left_running(project: Project) -> None:
    project.use("running_loop/cell.py", "running_loop/test_plain.py", "running_loop/test_left_running.py")
    result = project.result(project.launch([sys.executable, "cell.py", *PYTEST[3:], "--dg-budget=5m"]))
    assert result.status == 0, result.output
    assert result.outcomes() == {
        "test_plain": "passed",
        "test_between_two_tasks": "passed",
        "test_in_mid_task": "passed",
    }


@pytest.mark.slow
def test_a_plain_test_waits_while_a_loop_runs_in_another_greenlet(project: Project) -> None:
    pytest.importorskip("greenlet")
    project.use("running_loop/test_greenlet.py")
    result = project.run("--dg-budget=5m")
    assert (result.status, result.outcomes()) == (0, {"test_with_a_page": "passed"}), result.output
