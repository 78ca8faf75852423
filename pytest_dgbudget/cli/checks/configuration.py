"""Whether what is configured can be read, and what a run here would be."""

from __future__ import annotations

import argparse

from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.cli.options import resolve_project, respelled
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.report.header import budget_phrase

NAME = "configuration"


def check_configuration(given: argparse.Namespace) -> tuple[Check, RunConfig | None]:
    """Return what holds here; None where it can't be read."""
    try:
        run_config = resolve_project(given)
    except SettingsError as error:
        to_do = "correct it in the pytest configuration, dgbudget.toml, the environment or on the command line"
        return Check(name=NAME, result="failed", found=respelled(str(error)), to_do=to_do), None
    if run_config.is_live and not run_config.has_run_budget:
        found = f"{_in_words(run_config)}: pytest refuses a live run without one"
        to_do = "add --budget=TIME or --cost-budget=USD"
        return Check(name=NAME, result="failed", found=found, to_do=to_do), run_config
    return Check(name=NAME, result="ok", found=_in_words(run_config)), run_config


def _in_words(run_config: RunConfig) -> str:
    target = f"target {run_config.recorded_target}, {budget_phrase(run_config)}"
    return target if run_config.not_live is None else f"{target}; {run_config.not_live}"
