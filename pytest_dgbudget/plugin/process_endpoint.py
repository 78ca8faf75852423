"""The endpoint of this process, for applications that are started once for many tests."""

from __future__ import annotations

import os
from typing import Any, cast

import pytest

from pytest_dgbudget.client.endpoint import Endpoint, endpoint_of
from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.running_tests import RunningTests
from pytest_dgbudget.plugin.state import STATE, State
from pytest_dgbudget.protocol.secrets import process_token

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


def process_endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Return the process's endpoint; in a run that is not ours, this process gets a token now."""
    state = request.config.stash[STATE]
    if state.endpoint is not None:
        return state.endpoint
    if os.name == "nt":
        raise DgBudgetError("voice_agent_endpoint needs Linux or macOS: the gateway inherits a socket")
    gateway = state.on_demand().open().gateway
    if state.tests is None:
        state.tests = _running_tests(request, state)
        request.config.add_cleanup(BROWSER_SCRIPTS.remove)
        gateway.take_part(state.tests)
    return endpoint_of(
        state.run_config, gateway.port, gateway.membership.run_id, state.run_config.target, state.tests.token
    )


def _running_tests(request: pytest.FixtureRequest, state: State) -> RunningTests:
    token = process_token(os.urandom(32).hex(), "late")
    running = RunningTests(request.config, state, token)
    request.config.pluginmanager.register(running, RunningTests.NAME)
    # pytest has no public way to learn for which test a fixture of a wider scope is set up.
    running.pytest_runtest_setup(cast(Any, request)._pyfuncitem)
    return running
