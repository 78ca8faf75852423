"""A run's configuration as another process is handed it: without secrets, in types that JSON and xdist can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_dgbudget.config.resolve import RunConfig


def from_json(values: Mapping[str, Any]) -> RunConfig:
    """Return the configuration that ``to_json`` was called on, without its secrets."""
    agent_settings, recording_dir = values["agent_settings"], values["recording_dir"]
    cassette_dir, step_summary = values["cassette_dir"], values["step_summary"]
    paths = {
        "ledger": _address(values["ledger"]),
        "state_dir": Path(values["state_dir"]),
        "report_dir": Path(values["report_dir"]),
        "agent_settings": None if agent_settings is None else Path(agent_settings),
        "cassette_dir": None if cassette_dir is None else Path(cassette_dir),
        "recording_dir": None if recording_dir is None else Path(recording_dir),
        "step_summary": None if step_summary is None else Path(step_summary),
        "windows": tuple(values["windows"]),
        "paths": tuple(values["paths"]),
        "key_variables": tuple(values["key_variables"]),
        "run_key_scopes": tuple(values["run_key_scopes"]),
        "scrub": tuple(values["scrub"]),
        "cassette_ignore": tuple(values["cassette_ignore"]),
    }
    return RunConfig(
        **{
            **values,
            **paths,
            "allowed_hosts": tuple(values["allowed_hosts"]),
            **_shared_budgets(values["windows"], values["paths"]),
            "api_key": None,
            "app_token": None,
            "ledger_password": None,
        }
    )


def _address(text: str) -> Path | str:
    return text if text.startswith("postgresql:") else Path(text)


def _shared_budgets(windows: Sequence[dict[str, Any]], paths: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not windows and not paths:
        return {"windows": (), "paths": ()}
    from pytest_dgbudget.model import PathBudget, WindowBudget  # which a start of pytest does without

    return {
        "windows": tuple(WindowBudget(**window) for window in windows),
        "paths": tuple(PathBudget(**path) for path in paths),
    }
