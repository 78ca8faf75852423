"""What a test makes of time reaches neither the gateway's owners nor the fixture's client."""

from __future__ import annotations

import pytest

from tests.support.project import Project


def test_what_a_test_makes_of_time_reaches_no_wait_of_ours(project: Project) -> None:
    project.use("clocks/test_mocked.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert result.status == 0, result.output
    assert "was replaced" not in result.output


@pytest.mark.slow
def test_an_owner_whose_clock_runs_fast_does_not_kill_a_gateway_that_lives(project: Project) -> None:
    project.use("clocks/test_runs_fast.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off")
    assert result.status == 0, result.output
    assert "was replaced" not in result.output
