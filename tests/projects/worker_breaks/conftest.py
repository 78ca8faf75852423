"""A hook that breaks its worker: HOOK says where, HOW by what."""

import os

import pytest

HOOK, HOW = os.environ["HOOK"], os.environ["HOW"]


def breaks(nodeid: str) -> None:
    if "test_breaks" in nodeid and "PYTEST_XDIST_WORKER" in os.environ:
        if HOW == "error":
            raise RuntimeError("mine")
        pytest.exit("enough")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if HOOK == "in mid-session" and report.when == "setup":
        breaks(report.nodeid)


def pytest_runtest_logfinish(nodeid: str) -> None:
    if HOOK == "after the test":
        breaks(nodeid)
