"""What a test replaces is not what the plugin runs on."""

from __future__ import annotations

import pytest

from tests.support.project import Project


def test_names_that_a_test_replaces_are_not_those_that_we_use(project: Project) -> None:
    project.use("replaced_names/test_replaced.py", "replaced_names/conftest.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert result.status == 0, result.output
    assert "dgbudget hooks" not in result.output
    called = (project.path / "hooks.txt").read_text(encoding="utf-8").split()
    assert called == ["opened", "turn", "closed"] * 2


@pytest.mark.slow
def test_a_start_that_failed_in_one_tests_world_is_tried_again_in_the_next(project: Project) -> None:
    project.use("replaced_names/test_no_start.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert "the gateway can't be started: no" in result.output
    assert "1 passed, 1 error" in result.output
    assert result.usage["run"]["complete"]


@pytest.mark.slow
def test_what_a_test_replaces_for_the_code_under_test_is_not_what_runs_beside_it(project: Project) -> None:
    project.use("replaced_names/test_elsewhere.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert result.status == 0, result.output
    assert "was replaced" not in result.output


@pytest.mark.slow
def test_a_gateway_that_could_not_be_joined_in_one_tests_world_is_tried_again_in_the_next(project: Project) -> None:
    project.use("replaced_names/test_no_successor.py", "gateway_lost/conftest.py")
    project.expects_log = True
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", "-rA")
    assert "ERROR test_no_successor.py::test_in_a_world_without_threads - OSError: no" in result.output
    assert "PASSED test_no_successor.py::test_in_the_next_world" in result.output
    assert "run id" not in result.output
