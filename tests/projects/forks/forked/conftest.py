"""Runs tests in children of their own as pytest-forked does, which does not run with every pytest.

ALL_FORKED: all of them; else those that are marked.
"""

from __future__ import annotations

import os
import pickle
import signal

import pytest
from _pytest.runner import runtestprotocol


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "forked: run it in a child of its own")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if "ALL_FORKED" not in os.environ and item.get_closest_marker("forked") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in forked(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def forked(item: pytest.Item) -> list[pytest.TestReport]:
    read, write = os.pipe()
    if os.fork() == 0:
        signal.alarm(30)
        reports = [report._to_json() for report in runtestprotocol(item, log=False)]
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(reports, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        dumped = pickle.load(pipe)
    os.wait()
    return [pytest.TestReport._from_json(each) for each in dumped]
