"""Whether windows find a past in their ledger: in a new file, as a job in CI has it, they bound that run alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError, SettingsError
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.opening import open_existing


def remark_on_history(run_config: RunConfig, environment: Mapping[str, str]) -> str | None:
    """Return what to know of a billed run whose windows find no earlier one in the ledger; None where they do.

    To be asked before the run's gateway begins. Raises SettingsError where dgbudget.toml requires an earlier one.
    """
    if not run_config.billed or not run_config.windows:
        return None
    try:
        has_history = _has_history(run_config)
    except LedgerError as error:
        if run_config.require_history:
            raise SettingsError(f"{_REQUIRES}, and the ledger can't be read: {error}") from None
        return None  # what the gateway says of it
    if has_history:
        return None
    if run_config.require_history:
        raise SettingsError(
            f"{_REQUIRES}, and the ledger {run_config.ledger} has none, so that its windows would bound this run "
            "alone: restore the ledger, or name the one that is shared with DG_LEDGER; for the first run of all, set "
            "require_history = false"
        )
    begins = f"the windows find no earlier billed run in the ledger {run_config.ledger}: they count from this run on"
    return f"{begins}{_in_ci(run_config, environment)}"


_REQUIRES = "[window] require_history = true in dgbudget.toml asks for an earlier billed run"


def _in_ci(run_config: RunConfig, environment: Mapping[str, str]) -> str:
    if not environment.get("CI") or not isinstance(run_config.ledger, Path):
        return ""
    return "; a job in CI begins with an empty file: have all jobs share a ledger with DG_LEDGER=postgresql://…"


def _has_history(run_config: RunConfig) -> bool:
    connection = open_existing(run_config.ledger, run_config.ledger_password, durable=False)
    if connection is None:
        return False
    with closing(connection):
        return bool(connection.rows(sql.BILLED_RUN, {}))
