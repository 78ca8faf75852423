"""What is asked of the gateway for a test: its budgets, its target, its scenario and pace."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_dgbudget.model import CassetteTerms, TargetName
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.plugin.markers import own_budget, own_cassette_rules, own_pace, own_scenario, own_target
from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.protocol.operations import BeginAttempt

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.membership import Told

_HOOKS = (
    "pytest_dgbudget_session_opened",
    "pytest_dgbudget_turn",
    "pytest_dgbudget_session_closed",
    "pytest_dgbudget_overrun",
)


def asked_for(item: pytest.Item, state: State, *, notify: bool) -> BeginAttempt:
    """Return what begins an attempt of a test; raises SettingsError for a bad marker.

    ``notify``: this process wants to be told what happens in it.
    """
    run_config = state.run_config
    budget, target = own_budget(item, run_config), own_target(item, run_config)
    return BeginAttempt(
        nodeid=recorded_name(item.nodeid),
        worker=state.worker,
        target="emulator" if target != run_config.target else None,
        path=budget.path,
        budget_ms=budget.budget_ms,
        cost_budget_micro_usd=budget.cost_budget_micro_usd,
        idle_ms=budget.idle_ms,
        # A scenario is for the emulator alone.
        scenario=own_scenario(item, run_config) if target == "emulator" else None,
        pace=own_pace(item, run_config),
        notify=notify,
        cassettes=_cassettes(item, run_config, target),
        unrecordable=_unrecordable(item, run_config) if target == "live" and run_config.records else None,
    )


def _unrecordable(item: pytest.Item, run_config: RunConfig) -> str | None:
    from pytest_dgbudget.control.cassettes import why_no_place
    from pytest_dgbudget.plugin.cassette_folders import cassette_folder

    return why_no_place(cassette_folder(item, run_config), item.config.rootpath)


def _cassettes(item: pytest.Item, run_config: RunConfig, target: TargetName) -> CassetteTerms | None:
    """Return what a test's sessions are replayed from; None where all are dialled, and recorded."""
    if target != "replay" and not (target == "live" and run_config.record == "once"):
        return None
    from pytest_dgbudget.plugin.cassette_folders import cassette_folder

    ignore, audio = own_cassette_rules(item, run_config)
    folder = cassette_folder(item, run_config)
    name = shown_path(folder, item.config.rootpath)
    return CassetteTerms(folder=str(folder), name=name, ignore=ignore, audio=audio)


def recorded_name(nodeid: str) -> str:
    """Return a test's id as the ledger has it, which can't hold half a character."""
    return nodeid.encode("utf-8", "backslashreplace").decode()


def listener_of(item: pytest.Item, state: State) -> Told | None:
    """Return what the hooks of a project are called by; None where it has none for this test.

    A child that a test has forked calls none.
    """
    if state.is_forked or not any(getattr(item.ihook, hook).get_hookimpls() for hook in _HOOKS):
        return None
    return partial(state.calls_of_hooks(item.config).notified, item)
