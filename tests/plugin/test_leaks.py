"""Sessions that a test leaves to its teardown to close."""

from __future__ import annotations

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_sessions_that_are_left_open_are_named_at_the_end_and_fail_nothing(project: Project, workers: str) -> None:
    project.use("leaks/test_leaks.py")
    result = project.run(workers, "--dg-target=emulator", "--dg-reconcile=off")
    assert (result.status, "2 passed" in result.output, "1 failed" in result.output) == (1, True, True), result.output
    assert "3 sessions were left open by their tests and closed when these ended: " in result.output
    assert "test_leaks.py::test_leaves_two (2)" in result.output
    assert "test_closes" not in result.output.partition("3 sessions were left open")[2].splitlines()[0]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_by_dg_leaks_a_test_that_leaves_sessions_open_has_an_error_unless_it_failed(
    project: Project, workers: str
) -> None:
    project.use("leaks/test_leaks.py")
    result = project.run(workers, "--dg-target=emulator", "--dg-reconcile=off", "-o", "dg_leaks=fail")
    ended = result.output.splitlines()[-1]
    assert all(count in ended for count in ("2 passed", "1 failed", "1 error")), result.output
    assert "2 sessions were still open when the test ended" in result.output
    assert result.outcomes()["test_leaves_two"] == "error"
