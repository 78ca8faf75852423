"""What a phase of a test ended with, also where pytest learns that late."""

from __future__ import annotations

import pytest

ENDS_THE_RUN = (KeyboardInterrupt, GeneratorExit, pytest.exit.Exception)
NO_FAILURE = (pytest.skip.Exception, pytest.xfail.Exception)


def kept_by_testcase(item: pytest.Item) -> list[pytest.ExceptionInfo[BaseException]]:
    """Return what a TestCase keeps: pytest reports that in place of what is raised."""
    kept: list[pytest.ExceptionInfo[BaseException]] = item.__dict__.get("_excinfo") or []
    return kept


def ended_with(item: pytest.Item, raised: BaseException | None) -> BaseException | None:
    """Return what a test's body ended with; of an expected failure, a failure."""
    kept = kept_by_testcase(item)
    found = kept[0].value if kept else raised
    if isinstance(found, pytest.xfail.Exception) and _is_expected_to_fail(item):
        return AssertionError("what it was expected to fail with")
    return found


def _is_expected_to_fail(item: pytest.Item) -> bool:
    """Return whether a TestCase's method is marked by unittest.expectedFailure."""
    return getattr(getattr(item, "obj", None), "__unittest_expecting_failure__", False)
