"""The settings of a run on another machine than its controller's, for a worker there: what is this machine's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_dgbudget.config import parsing
from pytest_dgbudget.config.resolve import RunConfig, key_in, refuse_key
from pytest_dgbudget.errors import LedgerError, SettingsError

_LEDGER_VARIABLE = "DG_LEDGER"
_HERE = "this xdist worker is on another machine than its controller"
_SHARED = (
    f"so that both spend from the same budgets, name a PostgreSQL ledger on both: {_LEDGER_VARIABLE}=postgresql://…"
)


class Rootdirs:
    """Where pytest's rootdir is on the controller's machine, and on this one."""

    def __init__(self, there: Path, here: Path) -> None:
        self._there = there
        self.here = here

    def moved(self, path: Path, otherwise: Path) -> Path:
        """Return what a path in the controller's rootdir is in this one; ``otherwise`` for any other."""
        return self.here / path.relative_to(self._there) if path.is_relative_to(self._there) else otherwise

    def moved_reference(self, reference: str | None) -> str | None:
        """The same for a file with something after it, which is as it is for any other."""
        there = f"{self._there}/"
        within = reference is not None and reference.startswith(there)
        return f"{self.here}/{reference[len(there) :]}" if reference is not None and within else reference


def settings_elsewhere(run_config: RunConfig, environment: Mapping[str, str], rootdirs: Rootdirs) -> RunConfig:
    """Return the controller's settings with this machine's key, ledger and folders.

    ``environment`` is this machine's. Raises LedgerError or SettingsError, with what to set there: then nothing may be
    opened.
    """
    settings, cassettes = run_config.agent_settings, run_config.cassette_dir
    return RunConfig(
        **{
            **vars(run_config),
            **_ledger(run_config.ledger, environment.get(_LEDGER_VARIABLE, "").strip()),
            **_key(run_config, environment),
            "listen": None,
            "run_key": "off",
            "state_dir": rootdirs.here / ".dgbudget",
            "report_dir": rootdirs.moved(run_config.report_dir, rootdirs.here / ".dgbudget/report"),
            "agent_settings": None if settings is None else rootdirs.moved(settings, settings),
            "cassette_dir": None if cassettes is None else rootdirs.moved(cassettes, cassettes),
            "scenario": rootdirs.moved_reference(run_config.scenario),
        }
    )


def _ledger(controllers: Path | str, given: str) -> dict[str, Any]:
    """Return the ledger's address from here, which is the controller's unless another one is given."""
    if isinstance(controllers, Path):
        raise LedgerError(f"{_HERE}, whose ledger is a file there ({controllers}); {_SHARED}")
    if not given:
        return {"ledger": controllers, "ledger_password": None}
    try:
        parsed = parsing.ledger(given)
    except SettingsError as error:
        raise SettingsError(f"{_LEDGER_VARIABLE} on this xdist worker's machine: {error}") from None
    if isinstance(parsed, Path):
        raise LedgerError(f"{_HERE}, and {_LEDGER_VARIABLE} is a file here ({parsed}); {_SHARED}")
    here, there = _database(parsed.url), _database(controllers)
    if here != there:
        raise LedgerError(
            f"{_HERE}, and {_LEDGER_VARIABLE} names {' with '.join(here)} here and {' with '.join(there)} there; "
            "name the same database and schema on both"
        )
    return {"ledger": parsed.url, "ledger_password": parsed.password}


def _database(url: str) -> list[str]:
    """Return the database's name, and options, which may name a schema: the server may have several addresses."""
    address, _, query = url.partition("?")
    return [address.rpartition("/")[2], *(part for part in query.split("&") if part.startswith("options="))]


def _key(run_config: RunConfig, environment: Mapping[str, str]) -> dict[str, Any]:
    key = key_in(environment, run_config.key_variables)
    if run_config.is_live:
        if not key.value:
            raise SettingsError(
                f"{_HERE}, and no key of this machine's is set: set {key.variable} here; the controller's does not "
                "leave its machine"
            )
        if run_config.run_key == "require":
            raise SettingsError(
                f"{_HERE}, and would dial with this machine's key, whereas --dg-run-key=require asks for one of the "
                "run's own: use --dg-run-key=on, or run these tests on the controller's machine"
            )
        refuse_key(run_config, key)
    return {"api_key": key.value or None, "has_key": key.value != "", "key_variable": key.variable}
