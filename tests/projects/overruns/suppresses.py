"""A plugin that has a run end with success whatever failed, as pytest-custom-exit-code does when it is told to."""

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        session.exitstatus = 0
