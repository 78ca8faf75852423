"""A worker whose pytest breaks when a test has been called."""

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and not hasattr(report, "node"):
        raise LookupError
