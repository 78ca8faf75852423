"""What a test replaces is not what the plugin runs on."""

from __future__ import annotations

from tests.support.project import Project


def test_names_that_a_test_replaces_are_not_those_that_we_use(project: Project) -> None:
    project.use("replaced_names/test_replaced.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert result.status == 0, result.output


def test_a_start_that_failed_in_one_tests_world_is_tried_again_in_the_next(project: Project) -> None:
    project.use("replaced_names/test_no_start.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert "the gateway can't be started: no" in result.output
    assert "1 passed, 2 errors" in result.output
    assert result.usage["run"]["complete"]
