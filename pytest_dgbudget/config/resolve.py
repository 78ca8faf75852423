"""What was given, resolved: command line > environment > ini > default."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.config import (
    ACTIVE_VARIABLE,
    ANNOTATING_VARIABLE,
    APP_TOKEN_VARIABLE,
    OPTIONS,
    SUMMARY_VARIABLE,
    Option,
    host_of,
    parsing,
)
from pytest_dgbudget.config.project_file import read_project_file
from pytest_dgbudget.credentials import EMULATOR_KEY_PREFIX, could_be_a_key, is_emulated_key, is_token
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import WrongCurrency

if TYPE_CHECKING:
    from pytest_dgbudget.model import CassetteAudioRule, Pace, PathBudget, TargetName, WindowBudget

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


# What is worth nothing to anybody but the gateway.
_SECRETS = {"api_key", "app_token", "ledger_password"}

_STORED_BUDGET = (
    "a run budget from the ini file turns nothing live: to go live, add --dg-budget=TIME or --dg-cost-budget=USD"
)


class RunConfig:
    """Every setting of one run, parsed. ``auto`` is resolved; times are milliseconds, None is off.

    ``is_rehearsal``: the live target is a stand-alone emulator on this machine, which bills nothing.
    ``not_live`` is what keeps ``auto`` from being live although a key, or something in its place, is set.
    ``ignores_agent_url``: one was given for this run, whose target has its own.

    ``key_variable`` is the one that holds the key, or would.

    ``app_token`` is that of an application which was started before pytest.

    ``scrub`` has regular expressions: what matches is in no recording.

    ``cassette_max_age_ms``: of an older cassette that is replayed, the run warns; ``cassette_max_age_fails``: its test
    fails.

    ``run_key`` is off, on or require, and ``run_key_scopes`` what such a key may do.

    ``record`` is none, once or rewrite; ``record_given``: on the command line. ``cassette_dir`` is None where cassettes
    are beside their tests. ``cassette_ignore`` and ``cassette_audio`` are those of ``CassetteTerms``.

    ``recording_dir`` is where recordings stay; None: they are kept as ``artifacts`` says, beside the report.

    ``ledger`` is a file, or the URL of a server without its password, which may be ``ledger_password``.

    ``state_dir`` is where the run's lock and the gateway's log are. ``api_url`` is None when the agent URL is not
    Deepgram's and no management API was named for it.

    ``windows``, ``paths`` and ``project_sessions`` (None: no such limit) are those of dgbudget.toml.
    ``require_history``: a live run is refused whose window finds no earlier run in its ledger.

    ``step_summary`` is the file to which GitHub lets a step of a job append, ``annotates`` whether it reads annotations
    in the output; None and False elsewhere, and in a run inside another one, which is a detail of that.

    ``prices``: those that dgbudget.toml sets, micro-dollars a minute by tier; ``prices_as_of``: their day (ISO date).

    Not a dataclass: with so many fields, making that costs a start of pytest more than all the rest of this module.
    """

    budget_ms: int | None
    cost_budget_micro_usd: int | None
    test_budget_ms: int | None
    idle_ms: int | None
    max_sessions: int
    on_exhausted: str
    target: TargetName
    target_given: bool
    is_rehearsal: bool
    not_live: str | None
    ignores_agent_url: bool
    agent_url: str
    api_url: str | None
    project: str | None
    credit: str
    reconcile: str
    reconcile_timeout_ms: int
    tolerance_ms: int
    tolerance_share: float
    drift_share: float
    run_key: str
    run_key_scopes: tuple[str, ...]
    vendor_grace_ms: int
    junit_attachment: str
    junit_properties: str
    run_id: str
    ledger: Path | str
    ledger_password: str | None
    ledger_given: bool
    state_dir: Path
    report_dir: Path
    step_summary: Path | None
    annotates: bool
    agent_settings: Path | None
    artifacts: str
    artifacts_audio: bool
    scrub: tuple[str, ...]
    record: str
    record_given: bool
    cassette_dir: Path | None
    cassette_ignore: tuple[str, ...]
    cassette_audio: CassetteAudioRule
    cassette_max_age_ms: int | None
    cassette_max_age_fails: bool
    recording_dir: Path | None
    scenario: str | None
    pace: Pace
    regression: str
    leaks: str
    check_protocol: str
    redirect: str
    redirect_children: bool
    listen: str | None
    keep_key: bool
    key_variables: tuple[str, ...]
    key_variable: str
    pass_other: bool
    allowed_hosts: tuple[str, ...]
    overrun_exit_code: int
    windows: tuple[WindowBudget, ...]
    require_history: bool
    paths: tuple[PathBudget, ...]
    project_sessions: int | None
    prices: Mapping[str, int]
    prices_as_of: str | None
    has_key: bool
    app_token: str | None
    api_key: str | None

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a run's configuration is fixed: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunConfig) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in vars(self).items() if name not in _SECRETS)
        return f"RunConfig({', '.join(shown)})"

    @property
    def tag(self) -> str:
        """The one tag that every session of the run carries (the vendor allows 128 characters)."""
        return f"dgbudget-{self.run_id}"

    @property
    def has_run_budget(self) -> bool:
        """True where the run has a budget in time, in money, or in both."""
        return self.budget_ms is not None or self.cost_budget_micro_usd is not None

    @property
    def is_live(self) -> bool:
        return self.target == "live"

    @property
    def billed(self) -> bool:
        return self.is_live and not self.is_rehearsal

    @property
    def records(self) -> bool:
        """True where sessions become cassettes, or are replayed from those that there are."""
        return self.record != "none" and self.is_live

    @property
    def may_bypass(self) -> bool:
        """True where a client that has the real key can dial the vendor itself, and nobody sees it."""
        return self.keep_key or self.redirect in {"off", "warn"} or not self.redirect_children

    @property
    def redirects_programs(self) -> bool:
        """True where programs that are started by tests, or by a command, load the redirect."""
        return self.redirect != "off" and self.redirect_children

    @property
    def recorded_target(self) -> str:
        """What reports and ledger call the target: no figure of live runs may count a rehearsal."""
        return "rehearsal" if self.is_rehearsal else self.target

    def to_json(self) -> dict[str, Any]:
        """Return this without any secret, in types that JSON and xdist can carry."""
        values = {name: value for name, value in vars(self).items() if name not in _SECRETS}
        shared = {name: [asdict(each) for each in values[name]] for name in ("windows", "paths")}
        return {name: str(value) if isinstance(value, Path) else value for name, value in {**values, **shared}.items()}


def resolve(
    *,
    command_line: Mapping[str, str | None],
    environment: Mapping[str, str],
    ini: Mapping[str, Any],
    rootdir: Path,
    current_dir: Path,
) -> RunConfig:
    """Turn what was given, by option name, into a RunConfig; raises SettingsError, naming what is wrong and where.

    A variable that is blank is not set: so are the secrets and inputs that a job of CI is not given, as for a fork.
    What dgbudget.toml at the rootdir sets is added.

    ``command_line`` has the options of PYTEST_ADDOPTS as well; those of the ini file's ``addopts`` are in ``ini``,
    under the names of their flags.
    """
    given = {option.field: _given(option, command_line, environment, ini) for option in OPTIONS}
    values: dict[str, Any] = {}
    for option in OPTIONS:
        source = given[option.field]
        base = current_dir if option.relative_to == "given" and source.typed_by_hand else rootdir
        is_path = option.relative_to is not None and isinstance(source.parsed, Path | str)
        values[option.field] = base / source.parsed if is_path else source.parsed
    key = key_in(environment, values["key_variables"])
    budgets = [source for source in (given["budget_ms"], given["cost_budget_micro_usd"]) if source.parsed is not None]
    values.update(_target(values["target"], environment, budgets, key))
    values.update(_tolerance(*values.pop("tolerance")))
    values["api_url"] = _api_url_for(values["agent_url"], given["api_url"])
    values["ignores_agent_url"] = values["target"] != "live" and given["agent_url"].typed_by_hand
    values["record_given"] = given["record"].typed_by_hand
    values["run_id"] = values["run_id"] or _made_up_run_id()
    values["ledger_given"] = given["ledger"].where != "default"
    values.update(_ledger(values["ledger"], given["ledger"].where, rootdir))
    values["scenario"] = None if values["scenario"] is None else str(values["scenario"])
    values.update(read_project_file(rootdir))
    values["scrub"] = values["scrub"] or ()
    values["cassette_ignore"] = values["cassette_ignore"] or ()
    max_age_ms, fails = values.pop("cassette_max_age") or (None, False)
    values.update(cassette_max_age_ms=max_age_ms, cassette_max_age_fails=fails)
    values["recording_dir"] = None
    values.update(_of_github(environment))
    is_live = values["target"] == "live"
    values["is_rehearsal"] = is_live and _is_stand_alone_emulator(values["agent_url"], key.value)
    run_config = RunConfig(
        **values,
        key_variable=key.variable,
        has_key=key.value != "",
        app_token=_app_token(environment, key),
        api_key=key.value or None,
    )
    if run_config.is_live:
        refuse_key(run_config, key)
        refuse_plain_text("agent", run_config.agent_url)
        refuse_plain_text("API", run_config.api_url or "")
    return run_config


def refuse_key(run_config: RunConfig, key: Key) -> None:
    """Raise SettingsError for a key that a live run can't dial with."""
    refuse_unsendable_key(key)
    if not run_config.is_rehearsal:
        _refuse_emulated_key(key, run_config.agent_url)


def refuse_unbounded(run_config: RunConfig) -> None:
    """No budget, no spending: raise SettingsError when a live run has no budget or no key."""
    if not run_config.is_live:
        return
    if not run_config.has_key:
        variable = run_config.key_variable
        raise SettingsError(f"target live needs a key: set {variable}, or use --dg-target=emulator")
    if not run_config.has_run_budget:
        raise SettingsError(
            "target live needs a run budget: add --dg-budget=TIME or --dg-cost-budget=USD, or use --dg-target=emulator"
        )


def refuse_recording(run_config: RunConfig) -> None:
    """Only live sessions are recorded: raise SettingsError when this run was asked to record others."""
    if run_config.record_given and run_config.record != "none" and not run_config.is_live:
        raise SettingsError(
            f"--dg-record={run_config.record} records live sessions only, and the target is {run_config.target}: add "
            "--dg-target=live --dg-budget=TIME, or leave it out"
        )


class _Given:
    """What an option was given, and where."""

    def __init__(self, where: str, typed_by_hand: bool, parsed: Any) -> None:
        self.where = where
        self.typed_by_hand = typed_by_hand
        self.parsed = parsed


def _given(
    option: Option, command_line: Mapping[str, str | None], environment: Mapping[str, str], ini: Mapping[str, Any]
) -> _Given:
    text, where, by_hand = option.default, "default", False
    if command_line.get(option.name) is not None:
        text, where, by_hand = command_line[option.name], option.flag, True
    elif option.environment is not None and (in_environment := environment.get(option.environment, "")).strip():
        text, where, by_hand = in_environment, option.environment, True
    elif ini.get(option.flag) is not None:
        text, where = ini[option.flag], f"{option.flag} in addopts"
    elif ini.get(option.name) is not None:
        text, where = _ini_text(ini[option.name]), f"ini {option.name}"
    if text is None:
        return _Given(where, by_hand, None)
    try:
        return _Given(where, by_hand, getattr(parsing, option.parser)(text))
    except WrongCurrency as error:
        raise WrongCurrency(f"{where}: {error}", error.currency, error.amount) from None
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _ledger(given: Path | parsing.ServerLedger, where: str, rootdir: Path) -> dict[str, Any]:
    """Two projects with one file see each other's runs live by their locks; with a server, by its own."""
    if isinstance(given, Path):
        return {"ledger": given, "ledger_password": None, "state_dir": given.parent}
    if given.password is not None and where != "DG_LEDGER":
        raise SettingsError(
            f"{where}: a password does not belong there, where others can read it: put it, or the whole URL, into the "
            "environment (PGPASSWORD, DG_LEDGER), or the password into ~/.pgpass"
        )
    return {"ledger": given.url, "ledger_password": given.password, "state_dir": rootdir / ".dgbudget"}


def _ini_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _target(given: str, environment: Mapping[str, str], budgets: Sequence[_Given], key: Key) -> dict[str, Any]:
    target, not_live = _auto(environment, budgets, key) if given == "auto" else (given, None)
    return {"target": target, "target_given": given != "auto", "not_live": not_live}


def _auto(environment: Mapping[str, str], budgets: Sequence[_Given], key: Key) -> tuple[str, str | None]:
    """Return the target, and what keeps it from being live."""
    if not key.value or environment.get(ACTIVE_VARIABLE):
        return "emulator", None
    if not could_be_a_key(key.value):
        return "emulator", f"{key.variable} is a dummy: it is not a Deepgram key (--dg-target=live takes any)"
    if any(budget.typed_by_hand for budget in budgets):
        return "live", None
    return "emulator", _STORED_BUDGET if budgets else None


def _of_github(environment: Mapping[str, str]) -> dict[str, Any]:
    is_nested = bool(environment.get(ACTIVE_VARIABLE))
    summary = environment.get(SUMMARY_VARIABLE, "").strip()
    return {
        "step_summary": Path(summary) if summary and not is_nested else None,
        "annotates": environment.get(ANNOTATING_VARIABLE) == "true" and not is_nested,
    }


def _tolerance(absolute_ms: int, share: float) -> dict[str, Any]:
    return {"tolerance_ms": absolute_ms, "tolerance_share": share}


class Key:
    """A key, empty where there is none, and the variable that holds it, or would."""

    def __init__(self, variable: str, value: str) -> None:
        self.variable = variable
        self.value = value


def key_in(environment: Mapping[str, str], variables: Sequence[str]) -> Key:
    """Return the key without the blanks and line breaks that copied secrets often have. A token is none."""
    for variable in variables:
        value = environment.get(variable, "").strip()
        if value and not is_token(value):
            return Key(variable, value)
    return Key(variables[0], "")


def _app_token(environment: Mapping[str, str], key: Key) -> str | None:
    token = environment.get(APP_TOKEN_VARIABLE, "").strip()
    if not token:
        return None
    if not re.fullmatch(r"[A-Za-z0-9._-]{32,200}", token):
        raise SettingsError(f"{APP_TOKEN_VARIABLE} is no token; accepted: 32 to 200 characters of A-Z a-z 0-9 . _ -")
    if re.fullmatch(r"[0-9A-Fa-f]{40}", token) or token == key.value:
        raise SettingsError(f"{APP_TOKEN_VARIABLE} is a key: make up another value, of 32 to 200 characters")
    return token


def _is_stand_alone_emulator(agent_url: str, key: str) -> bool:
    return is_loopback(host_of(agent_url)) and key.startswith(EMULATOR_KEY_PREFIX)


def refuse_unsendable_key(key: Key) -> None:
    """Raise SettingsError for a key that no header can carry."""
    if not re.fullmatch(r"[!-~]*", key.value):
        raise SettingsError(f"{key.variable} contains a character that no key can have; copy the key again")


def _refuse_emulated_key(key: Key, agent_url: str) -> None:
    if is_emulated_key(key.value):
        raise SettingsError(
            f"{key.variable} is a key of the emulator, which {agent_url} would refuse: set a Deepgram key; or use "
            "--dg-target=emulator, which needs none; or, for a rehearsal, --dg-agent-url=URL of your dgbudget emulator"
        )


def _made_up_run_id() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"


def _api_url_for(agent_url: str, given: _Given) -> str | None:
    """A key for another vendor, or for a self-hosted server, is sent to Deepgram only if its API is named."""
    host = host_of(agent_url).lower()
    is_deepgrams = host == "deepgram.com" or host.endswith(".deepgram.com")
    return given.parsed if is_deepgrams or given.where != "default" else None


def refuse_plain_text(what: str, url: str) -> None:
    """Raise SettingsError for a URL to which a key would travel unencrypted."""
    if url.startswith(("ws://", "http://")) and not is_loopback(host_of(url)):
        secure = "wss" if url.startswith("ws") else "https"
        raise SettingsError(
            f"the {what} URL {url} would carry the key in plain text; use {secure}://, or an address on loopback"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host, as written in a URL, can only be this machine."""
    if host in {"localhost", "[::1]"}:
        return True
    numbers = host.split(".")
    return (
        len(numbers) == 4 and numbers[0] == "127" and all(n.isascii() and n.isdigit() and int(n) < 256 for n in numbers)
    )
