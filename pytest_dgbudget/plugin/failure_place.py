"""Where pytest shows a failure of ours that has no frame of the test's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pytest_dgbudget.errors import DgBudgetError


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where a test failed and why, with the fields of pytest's own; xdist sends them to its controller."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message.partition(chr(10))[0]}"


def place_at_test(
    report: pytest.TestReport, item: pytest.Item, failure: pytest.ExceptionInfo[BaseException] | None
) -> None:
    """Give a failure of ours that has no frame of the test's its place: else the summary would lack its message."""
    shown: Any = report.longrepr
    if failure is None or not isinstance(failure.value, DgBudgetError) or not hasattr(shown, "chain"):
        return  # not ours, or shown as text, as with --tb=native
    traceback, crash, description = shown.chain[-1]
    if not any(getattr(entry, "reprfileloc", None) for entry in traceback.reprentries):
        traceback.extraline = None  # that all frames are hidden, and how to see them
    if crash is None:
        path, line, _ = item.location
        shown.reprcrash = _Place(path=path, lineno=(line or 0) + 1, message=failure.exconly())
        shown.chain = [*shown.chain[:-1], (traceback, shown.reprcrash, description)]
