"""One test's grant: from the fixture's setup to its teardown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import pytest

from pytest_dgbudget.client.voice_agent import VoiceAgent
from pytest_dgbudget.config import ACTIVE_VARIABLE, API_KEY_VARIABLE
from pytest_dgbudget.control.environment import EnvironmentClaim, variables_set
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.accounting import accounting_of
from pytest_dgbudget.plugin.markers import own_budget, own_scenario, own_target
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.protocol.operations import BeginAttempt, CheckScenario

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
    budget, target = own_budget(item, state.run_config), own_target(item, state.run_config)
    # A scenario is for the emulator alone.
    scenario = own_scenario(item, state.run_config) if target == "emulator" else None
    run = state.on_demand()
    gateway = run.open().gateway
    if scenario is not None:
        gateway.ask(CheckScenario(reference=scenario))  # raises what is wrong with it
    attempt = gateway.begin(
        BeginAttempt(
            nodeid=item.nodeid.encode("utf-8", "backslashreplace").decode(),  # a ledger can't hold half a character
            worker=state.worker,
            target="emulator" if target != state.run_config.target else None,
            budget_ms=budget.budget_ms,
            idle_ms=budget.idle_ms,
            scenario=scenario,
        )
    )
    # pytest has no public way to tear a fixture down, without which the next test would be handed this one's.
    fixture = cast(Any, request)._fixturedef
    accounting.begin(item, attempt, partial(fixture.finish, request))
    agent = VoiceAgent(gateway, attempt, target, state.run_config.agent_settings)
    try:
        with _environment(agent, run.environment, keep_key=state.run_config.keep_key):
            yield agent
    finally:
        accounting.end(item)


@contextmanager
def _environment(agent: VoiceAgent, claim: EnvironmentClaim, *, keep_key: bool) -> Iterator[None]:
    """Put the test's token where clients look for a key, and put back what the test itself did not change."""
    values = {name: agent.endpoint.environ[name] for name in (API_KEY_VARIABLE, ACTIVE_VARIABLE)}
    if keep_key:
        del values[API_KEY_VARIABLE]
    with nullcontext() if keep_key else claim.held(), variables_set(values):
        yield
