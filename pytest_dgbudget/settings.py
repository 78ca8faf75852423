"""One table of options, one precedence: command line > environment > ini > default.

The plugin registers the table with pytest, ``resolve`` turns what was given into ``Settings``, and the documentation
is held against the table by a test.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import parse_time

API_KEY_VARIABLE = "DEEPGRAM_API_KEY"
ACTIVE_VARIABLE = "DGBUDGET_ACTIVE"

DEFAULT_AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
DEFAULT_LEDGER = "sqlite:///.dgbudget/ledger.db"


@dataclass(frozen=True)
class Option:
    """One setting: ini key ``name``, flag ``--dg-…`` (``in_ini_only``: none), variable ``environment``."""

    name: str
    metavar: str
    default: str | None
    help: str
    parse: Callable[[str], Any]
    environment: str | None = None
    in_ini_only: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def time_or_off(text: str) -> int | None:
    """Return milliseconds, or None for ``off``; raises SettingsError."""
    return None if text == "off" else parse_time(text)


def _choice(*accepted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in accepted:
            raise SettingsError(f"{text!r} is none of {', '.join(accepted)}")
        return text

    return parse


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise SettingsError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise SettingsError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "1", "yes", "on"}


def _run_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise SettingsError(f"{text!r} is not 1 to 100 of A-Z a-z 0-9 . _ -")
    return text


def _agent_url(text: str) -> str:
    if not re.fullmatch(r"wss?://[^\s/?#@]+(/[^\s#]*)?", text) or host_of(text) == "":
        raise SettingsError(f"{text!r} is no WebSocket URL; accepted: wss://HOST[:PORT]/PATH, ws:// on loopback")
    return text


def _ledger_path(text: str) -> Path:
    prefix = "sqlite:///"
    if not text.startswith(prefix) or not text[len(prefix) :]:
        scheme = text.split(":", 1)[0]
        raise SettingsError(f"a ledger of kind {scheme!r} is not known; accepted: sqlite:///PATH")
    return Path(text[len(prefix) :])


def _path(text: str) -> Path:
    if not text:
        raise SettingsError("the path is empty")
    return Path(text)


OPTIONS = (
    Option(
        "dg_budget",
        "TIME",
        None,
        "Run budget: connection time summed over all sessions of all workers, such as 10m or 1h30m.",
        parse_time,
        "DG_BUDGET",
    ),
    Option(
        "dg_test_budget",
        "TIME",
        "60s",
        "Budget of each test that sets none itself, all its reruns together; or off.",
        time_or_off,
    ),
    Option(
        "dg_idle_timeout",
        "TIME",
        "30s",
        "Close a session in which nothing but keep-alives moved for this long; or off.",
        time_or_off,
    ),
    Option(
        "dg_max_sessions",
        "N",
        "15",
        "Sessions open at once; more wait, unbilled, first come first served.",
        _whole_number(1, 10_000),
    ),
    Option(
        "dg_on_exhausted",
        "POLICY",
        "fail",
        "What becomes of a test that asks for a session when the run budget is spent: fail or skip.",
        _choice("fail", "skip"),
    ),
    Option(
        "dg_target",
        "TARGET",
        "auto",
        "live, emulator, or auto: live when DEEPGRAM_API_KEY is set, otherwise the emulator.",
        _choice("auto", "live", "emulator"),
        "DG_TARGET",
    ),
    Option(
        "dg_agent_url",
        "URL",
        DEFAULT_AGENT_URL,
        "Regional or self-hosted Voice Agent endpoint.",
        _agent_url,
        "DG_AGENT_URL",
    ),
    Option(
        "dg_run_id",
        "ID",
        None,
        "Name of the run; a later run with the same name goes on with what is left. Made up by default.",
        _run_id,
        "DG_RUN_ID",
    ),
    Option(
        "dg_ledger",
        "URL",
        DEFAULT_LEDGER,
        "Durable record of what was spent: sqlite:///PATH, relative to the rootdir.",
        _ledger_path,
        "DG_LEDGER",
    ),
    Option("dg_report_dir", "DIR", ".dgbudget/report", "Where usage.json goes.", _path),
    Option(
        "dg_agent_settings",
        "FILE",
        None,
        "JSON or TOML file with the default Settings of voice_agent.connect().",
        _path,
        in_ini_only=True,
    ),
    Option(
        "dg_keep_key",
        "BOOL",
        "false",
        "Leave DEEPGRAM_API_KEY in os.environ alone while a test uses voice_agent.",
        _switch,
        in_ini_only=True,
    ),
    Option(
        "dg_overrun_exit_code",
        "N",
        "1",
        "Exit status when the only failures are overruns.",
        _whole_number(1, 255),
        in_ini_only=True,
    ),
)


@dataclass(frozen=True)
class Settings:
    """Every setting of one run, parsed. ``auto`` is resolved; times are milliseconds, None is off."""

    budget_ms: int | None
    test_budget_ms: int | None
    idle_ms: int | None
    max_sessions: int
    on_exhausted: str
    target: str
    target_given: bool
    agent_url: str
    run_id: str
    ledger: Path
    ledger_given: bool
    report_dir: Path
    agent_settings: Path | None
    keep_key: bool
    overrun_exit_code: int
    has_key: bool
    api_key: str | None = field(repr=False)

    @property
    def billed(self) -> bool:
        return self.target == "live"

    def plain(self) -> dict[str, Any]:
        """Return this without the key, in types that cross every border (JSON, xdist)."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "api_key"}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def from_plain(values: Mapping[str, Any]) -> Settings:
    """Return what ``Settings.plain`` was made of; the key stays behind."""
    agent_settings = values["agent_settings"]
    paths = {
        "ledger": Path(values["ledger"]),
        "report_dir": Path(values["report_dir"]),
        "agent_settings": None if agent_settings is None else Path(agent_settings),
    }
    return Settings(**{**values, **paths, "api_key": None})


def resolve(
    *,
    command_line: Mapping[str, str | None],
    environment: Mapping[str, str],
    ini: Mapping[str, Any],
    rootdir: Path,
    current_dir: Path,
) -> Settings:
    """Turn what was given, by option name, into Settings; raise SettingsError naming what is wrong and where."""
    given = {option.name: _given(option, command_line, environment, ini) for option in OPTIONS}
    parsed = {name: source.parsed for name, source in given.items()}
    base = {name: current_dir if source.typed_by_hand else rootdir for name, source in given.items()}
    target = _resolve_target(parsed["dg_target"], environment)
    agent_settings = parsed["dg_agent_settings"]
    settings = Settings(
        budget_ms=parsed["dg_budget"],
        test_budget_ms=parsed["dg_test_budget"],
        idle_ms=parsed["dg_idle_timeout"],
        max_sessions=parsed["dg_max_sessions"],
        on_exhausted=parsed["dg_on_exhausted"],
        target=target,
        target_given=parsed["dg_target"] != "auto",
        agent_url=parsed["dg_agent_url"],
        run_id=parsed["dg_run_id"] or _made_up_run_id(),
        ledger=rootdir / parsed["dg_ledger"],
        ledger_given=given["dg_ledger"].where != "default",
        report_dir=base["dg_report_dir"] / parsed["dg_report_dir"],
        agent_settings=None if agent_settings is None else base["dg_agent_settings"] / agent_settings,
        keep_key=parsed["dg_keep_key"],
        overrun_exit_code=parsed["dg_overrun_exit_code"],
        has_key=bool(environment.get(API_KEY_VARIABLE)),
        api_key=environment.get(API_KEY_VARIABLE) or None,
    )
    if settings.billed:
        _refuse_plain_text(settings.agent_url)
    return settings


def refuse_unbounded(settings: Settings) -> None:
    """No budget, no spending: raise SettingsError when a live run lacks its budget or its key."""
    if not settings.billed:
        return
    if not settings.has_key:
        raise SettingsError(f"target live needs a key: set {API_KEY_VARIABLE}, or use --dg-target=emulator")
    if settings.budget_ms is None:
        raise SettingsError("target live needs a run budget: add --dg-budget=TIME, or use --dg-target=emulator")


@dataclass(frozen=True)
class _Given:
    where: str
    typed_by_hand: bool
    parsed: Any


def _given(
    option: Option, command_line: Mapping[str, str | None], environment: Mapping[str, str], ini: Mapping[str, Any]
) -> _Given:
    text, where, by_hand = option.default, "default", False
    if command_line.get(option.name) is not None:
        text, where, by_hand = command_line[option.name], option.flag, True
    elif option.environment is not None and option.environment in environment:
        text, where, by_hand = environment[option.environment], option.environment, True
    elif ini.get(option.name) is not None:
        text, where = _ini_text(ini[option.name]), f"ini {option.name}"
    if text is None:
        return _Given(where, by_hand, None)
    try:
        return _Given(where, by_hand, option.parse(text))
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _ini_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _resolve_target(given: str, environment: Mapping[str, str]) -> str:
    if given != "auto":
        return given
    if environment.get(ACTIVE_VARIABLE):
        # A pytest inside a run: its key is a grant's token, worthless at the vendor.
        return "emulator"
    return "live" if environment.get(API_KEY_VARIABLE) else "emulator"


def _made_up_run_id() -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"


def _refuse_plain_text(url: str) -> None:
    if url.startswith("ws://") and not is_loopback(host_of(url)):
        raise SettingsError(
            f"the agent URL {url} would carry the key in plain text; use wss://, or an address on loopback"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host as it stands in a URL can only be this machine."""
    if host in {"localhost", "[::1]"}:
        return True
    numbers = host.split(".")
    return len(numbers) == 4 and numbers[0] == "127" and all(re.fullmatch("[0-9]{1,3}", n) for n in numbers)


def host_of(url: str) -> str:
    """Return the host of a URL, brackets included; empty when there is none."""
    authority = re.split(r"[/?#]", url.split("://", 1)[1], maxsplit=1)[0]
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(:[0-9]{1,5})?", authority)
    return match[1] if match else ""
