"""@pytest.mark.dg_budget: the nearest one wins, and a bad one fails its own test alone."""

from __future__ import annotations

import re

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import Vendor

BAD_MARKERS = {
    "unknown": "has an unknown argument 'tomorrow'",
    "no_time": "'ten seconds' is not a time",
    "negative": "'-1' is not a time",
    "nan": "'nan' is not a time",
    "boolean": "True is not a time",
    "none": "None is not a time",
    "two": "has more than one time",
    "two_names": "has more than one time",
    "bad_idle": "'never' is not a time",
    "empty": "is empty",
    "far_empty": "is empty",
}


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_a_bad_marker_fails_its_own_test_with_node_id_and_reason_and_spends_nothing(
    project: Project, vendor: Vendor, workers: str
) -> None:
    project.use("options/test_markers.py")
    result = project.run("--dg-budget=5m", workers, env=vendor.environ)
    assert result.status == 1, result.output
    assert "INTERNALERROR" not in result.output
    assert f"1 passed, {len(BAD_MARKERS) + 1} errors" in result.output
    for name, reason in BAD_MARKERS.items():
        said = re.search(rf"test_markers\.py::test_bad\[{name}\]: @pytest\.mark\.dg_budget\(.*", result.output)
        assert said is not None, result.output
        assert reason in said[0]
    assert "test_markers.py::test_bad_without_the_fixture: " in result.output
    assert "its body ran" not in result.output
    assert result.outcomes() == {"test_good": "passed"}
    assert vendor.connections == []


def test_collecting_shows_bad_markers_and_fails(project: Project) -> None:
    project.use("options/test_markers.py")
    result = project.run("--collect-only", "-q")
    assert result.status != 0, result.output
    assert "INTERNALERROR" not in result.output
    for name, reason in BAD_MARKERS.items():
        assert f"test_bad[{name}]: @pytest.mark.dg_budget" in result.output
        assert reason in result.output
    assert not (project.path / ".dgbudget").exists()


def test_a_time_beyond_all_floats_is_a_bad_marker_like_others(project: Project) -> None:
    project.use("options/test_far.py")
    result = project.run()
    assert result.status == 1, result.output
    assert "1 passed, 1 error" in result.output


@pytest.mark.parametrize("marker", ["()", "('replay')", "('emulator', 'live')", "(target='live')", "(['live'])"])
def test_a_target_is_the_emulator_or_live_or_a_bad_marker(pytester: pytest.Pytester, marker: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.dg_target{marker}\ndef test_bad(): pass\n")
    result = pytester.runpytest_inprocess("--dg-reconcile=off")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*is not understood; accepted: dg_target("emulator") or dg_target("live")'])


def test_the_nearest_marker_wins_and_time_and_idle_are_merged(project: Project) -> None:
    project.use("options/test_nearest.py")
    result = project.run("--dg-budget=5m", "--dg-test-budget=5s")
    assert result.status == 0, result.output
    assert set(result.outcomes().values()) == {"passed"}
