"""One test's grant: from the fixture's setup to its teardown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import pytest

from pytest_dgbudget.client.endpoint import Endpoint, endpoint_of
from pytest_dgbudget.client.redirected import redirected
from pytest_dgbudget.client.voice_agent import VoiceAgent
from pytest_dgbudget.config import API_KEY_VARIABLE
from pytest_dgbudget.control.environment import EnvironmentClaim, variables_set
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.accounting import accounting_of
from pytest_dgbudget.plugin.attempt import own_nodeid
from pytest_dgbudget.plugin.attempts import asked_for, listener_of
from pytest_dgbudget.plugin.running_tests import running_tests_of
from pytest_dgbudget.plugin.state import STATE, State
from pytest_dgbudget.protocol.operations import CheckScenario

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


@contextmanager
def granted(request: pytest.FixtureRequest) -> Iterator[VoiceAgent]:
    """Grant a test its budget and take back what it opened."""
    state = request.config.stash[STATE]
    if os.name == "nt":
        raise DgBudgetError("voice_agent needs Linux or macOS: the gateway inherits a socket, which Windows lacks")
    accounting = accounting_of(request.config)
    item: pytest.Item = request.node
    told = listener_of(item, state)
    asked = asked_for(item, state, notify=told is not None)
    run = state.on_demand()
    gateway = run.open().gateway
    if asked.scenario is not None:
        gateway.ask(CheckScenario(reference=asked.scenario))  # raises what is wrong with it
    running = running_tests_of(request.config)
    attempt = gateway.begin(asked, told) if running is None else running.begin(item, gateway, asked, told)
    # pytest has no public way to tear a fixture down, without which the next test would be handed this one's.
    fixture = cast(Any, request)._fixturedef
    target = asked.target or state.run_config.target
    endpoint = endpoint_of(state.run_config, gateway.port, gateway.membership.run_id, target, attempt.token)
    agent = VoiceAgent(
        gateway,
        attempt,
        target,
        asked.pace,
        endpoint,
        state.run_config.agent_settings,
        nodeid=own_nodeid(item),
        is_rehearsal=state.run_config.is_rehearsal,
    )
    accounting.begin(item, attempt, partial(fixture.finish, request), lambda: agent.endpoint_was_asked_for)
    try:
        with _environment(endpoint, state, run.environment):
            yield agent
    finally:
        accounting.end(item)


@contextmanager
def _environment(endpoint: Endpoint, state: State, claim: EnvironmentClaim) -> Iterator[None]:
    """Put what the code under test needs into os.environ, and put back what the test itself did not change."""
    values = endpoint.environ
    leaves_key = state.run_config.keep_key or state.has_token_as_key
    if leaves_key:
        for name in {API_KEY_VARIABLE, *state.run_config.key_variables}:
            del values[name]
    redirect = nullcontext() if state.endpoint is not None else redirected(endpoint.redirect)
    with nullcontext() if leaves_key else claim.held(), redirect, variables_set(values):
        yield
