"""What becomes of an overrun, by the run's document alone."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.overrun_effect import effect_of, excuse_of_run
from tests.support import pages

OVERRUN = {"verdict": "overrun", "cut": True}


def entry(**fields: Any) -> Any:
    return pages.test_entry("test_x.py::test", 9.9, **{**OVERRUN, "failing": False, "outcome": "failed", **fields})


def run_of(*tests: Any, **run: Any) -> UsageDocument:
    made: Any = pages.document([*tests], [pages.session(1, "test_x.py::test", 0.0, 9.9)])
    made["run"].update({"verdict": "overrun", "failing": any(test["failing"] for test in tests), **run})
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize(("fields", "effect"), [
    ({"failing": True}, "fails"),
    ({"failing": True, "outcome": "passed"}, "fails"),
    ({"outcome": "xfailed"}, "expected"),
    ({"outcome": "skipped", "cut": False, "refused": 1}, "expected"),
    ({"outcome": None, "cut": False, "refused": 1}, "expected"),
    ({"outcome": "rerun"}, "rerun"),
    ({"verdict": "within", "cut": False}, None),
])  # fmt: skip
def test_an_overrun_fails_the_run_or_was_expected_or_run_again(fields: dict[str, Any], effect: str | None) -> None:
    assert effect_of(entry(**fields)) == effect


@pytest.mark.parametrize(("fields", "effect"), [
    ({"outcome": "failed"}, "fails"),
    ({"outcome": "xfailed"}, "expected"),
    ({"outcome": "skipped"}, "fails"),
    ({"outcome": "skipped", "cut": False, "refused": 1}, "expected"),
    ({"outcome": "rerun"}, "rerun"),
    ({"outcome": "passed", "cut": False, "exceeded": True}, "fails"),
])  # fmt: skip
def test_of_reports_of_earlier_versions_the_outcome_tells(fields: dict[str, Any], effect: str) -> None:
    test = entry(**fields)
    del test["failing"]
    assert effect_of(test) == effect


def test_a_run_says_why_its_overruns_fail_nothing() -> None:
    expected, rerun, failed = entry(outcome="xfailed"), entry(outcome="rerun"), entry(failing=True)
    assert excuse_of_run(run_of(expected)) == "expected"
    assert excuse_of_run(run_of(rerun)) == "rerun"
    assert excuse_of_run(run_of(rerun, expected)) == "expected or rerun"
    assert excuse_of_run(run_of(expected, failed)) is None
    assert excuse_of_run(run_of(expected, bypass="seen")) is None
    assert excuse_of_run(run_of(entry(verdict="within", cut=False), verdict="within")) is None
