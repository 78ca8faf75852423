"""What is asked of the gateway for a test: its budgets, its target, its scenario and pace."""

from __future__ import annotations

import pytest

from pytest_dgbudget.plugin.markers import own_budget, own_pace, own_scenario, own_target
from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.protocol.operations import BeginAttempt


def asked_for(item: pytest.Item, state: State) -> BeginAttempt:
    """Return what begins an attempt of a test; raises SettingsError for a bad marker."""
    run_config = state.run_config
    budget, target = own_budget(item, run_config), own_target(item, run_config)
    return BeginAttempt(
        nodeid=item.nodeid.encode("utf-8", "backslashreplace").decode(),  # a ledger can't hold half a character
        worker=state.worker,
        target="emulator" if target != run_config.target else None,
        budget_ms=budget.budget_ms,
        idle_ms=budget.idle_ms,
        # A scenario is for the emulator alone.
        scenario=own_scenario(item, run_config) if target == "emulator" else None,
        pace=own_pace(item, run_config),
    )
