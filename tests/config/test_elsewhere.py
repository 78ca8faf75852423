"""What is the controller's in the settings of a worker on another machine, and what is that machine's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config.elsewhere import Rootdirs, settings_elsewhere
from pytest_dgbudget.config.handed_over import from_json
from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.errors import DgBudgetError, LedgerError, SettingsError

THERE, HERE = Path("/there/project"), Path("/here/checkout")
SERVER = "postgresql://tests@ledgers.example/team"
KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"
OTHER_KEY = KEY[::-1]


def controllers(**given: str) -> RunConfig:
    """Settings as they come from a controller: without its secrets."""
    resolved = resolve(
        command_line={"dg_budget": "5m", **given},
        environment={"DEEPGRAM_API_KEY": KEY, "DG_LEDGER": SERVER.replace("tests@", "tests:theirs@")},
        ini={},
        rootdir=THERE,
        current_dir=THERE,
    )
    return from_json(resolved.to_json())


def elsewhere(run_config: RunConfig, **environment: str) -> RunConfig:
    return settings_elsewhere(run_config, environment, Rootdirs(there=THERE, here=HERE))


def test_what_applies_is_the_controllers_and_what_is_secret_is_this_machines() -> None:
    given = controllers()
    own = elsewhere(given, DEEPGRAM_API_KEY=OTHER_KEY, DG_LEDGER="postgresql://me:mine@10.0.0.7:5433/team")
    assert (own.api_key, own.ledger, own.ledger_password) == (OTHER_KEY, "postgresql://me@10.0.0.7:5433/team", "mine")
    changed = {name for name, value in vars(own).items() if value != vars(given)[name]}
    assert changed == {"api_key", "ledger", "ledger_password", "report_dir", "state_dir"}


def test_a_server_that_the_controller_names_needs_no_second_name() -> None:
    own = elsewhere(controllers(), DEEPGRAM_API_KEY=OTHER_KEY, DG_LEDGER=" ")
    assert (own.ledger, own.ledger_password) == (SERVER, None)


def test_folders_are_in_this_machines_rootdir() -> None:
    named = {"dg_report_dir": "out/report", "dg_agent_settings": "agent.json", "dg_cassette_dir": "tapes"}
    given = controllers(**named, dg_scenario="talk.toml::busy")
    own = elsewhere(given, DEEPGRAM_API_KEY=OTHER_KEY)
    assert (own.report_dir, own.state_dir) == (HERE / "out/report", HERE / ".dgbudget")
    assert (own.agent_settings, own.scenario) == (HERE / "agent.json", f"{HERE}/talk.toml::busy")
    assert own.cassette_dir == HERE / "tapes"


def test_a_report_outside_of_the_controllers_rootdir_is_in_this_ones() -> None:
    own = elsewhere(controllers(dg_report_dir="/ci/report"), DEEPGRAM_API_KEY=OTHER_KEY)
    assert own.report_dir == HERE / ".dgbudget/report"


def test_a_run_that_listens_elsewhere_and_has_a_key_of_its_own_does_so_on_its_controllers_machine_alone() -> None:
    own = elsewhere(controllers(dg_listen="10.0.0.1:8787", dg_run_key="on"), DEEPGRAM_API_KEY=OTHER_KEY)
    assert (own.listen, own.run_key) == (None, "off")


def test_an_emulated_run_needs_no_key() -> None:
    assert elsewhere(controllers(dg_target="emulator")).api_key is None


@pytest.mark.parametrize(
    ("given", "environment", "error", "says"),
    [
        ({}, {}, SettingsError, "set DEEPGRAM_API_KEY here; the controller's does not leave its machine"),
        ({}, {"DEEPGRAM_API_KEY": "dgemu_1"}, SettingsError, "is a key of the emulator"),
        (
            {"dg_run_key": "require"},
            {"DEEPGRAM_API_KEY": OTHER_KEY},
            SettingsError,
            "--dg-run-key=require asks for one",
        ),
        (
            {"dg_ledger": "sqlite:///a.db"},
            {"DG_LEDGER": SERVER},
            LedgerError,
            r"is a file there \(/there/project/a.db\)",
        ),
        ({}, {"DG_LEDGER": "sqlite:///b.db"}, LedgerError, r"DG_LEDGER is a file here \(b.db\); so that both spend"),
        ({}, {"DG_LEDGER": "postgresql://h/other"}, LedgerError, "names other here and team there"),
        ({}, {"DG_LEDGER": f"{SERVER}?options=-cx"}, LedgerError, "names team with options=-cx here and team there"),
        ({}, {"DG_LEDGER": "mysql://h/team"}, SettingsError, "DG_LEDGER on this xdist worker's machine: unknown kind"),
        ({"dg_target": "emulator", "dg_ledger": "sqlite:///a.db"}, {}, LedgerError, "name a PostgreSQL ledger on both"),
    ],
    ids=[
        "no key",
        "emulated key",
        "required run key",
        "file",
        "file here",
        "other database",
        "other schema",
        "no ledger",
        "emulator",
    ],
)
def test_what_is_missing_here_is_named(
    given: dict[str, str], environment: dict[str, str], error: type[DgBudgetError], says: str
) -> None:
    run_config: Any = controllers(**given)
    with pytest.raises(error, match=says):
        elsewhere(run_config, **environment)
