"""--dg-on-exhausted=stop: no further test begins, on any worker; those that run go on to their end."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.protocol.operations import GetStopReason


class StopsTests:
    """Registered under that policy alone: it asks the gateway before each test, once there is one."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        reason = None if self._state.is_forked else stop_reason(self._state)
        if reason is None:
            return None
        if not self._state.is_worker:  # xdist would take it for Ctrl-C, and end what runs on other workers
            item.session.shouldfail = reason
        return True


def stop_reason(state: State) -> str | None:
    """Return why tests are not to begin any more; None while they go on."""
    run = state.run
    if run is None or state.run_config.on_exhausted != "stop":
        return None
    with suppress(DgBudgetError):  # without a gateway no session is opened
        return run.gateway.ask(GetStopReason())
    return None
