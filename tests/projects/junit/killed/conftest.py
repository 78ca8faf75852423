"""Kill the worker after its test's reports."""

import os


def pytest_runtest_logfinish(nodeid: str) -> None:
    if nodeid.endswith("test_is_killed_after_its_reports") and "PYTEST_XDIST_WORKER" in os.environ:
        os.kill(os.getpid(), 9)
