"""The table of options: names, defaults, what is accepted, and what their help says.

The plugin registers it with pytest, ``settings`` resolves what was given, and a test holds the documentation against
it. It is loaded at every start of pytest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import parse_time

DEFAULT_AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
DEFAULT_API_URL = "https://api.deepgram.com"
DEFAULT_LEDGER = "sqlite:///.dgbudget/ledger.db"


class Option:
    """One setting: ini key ``name``, flag ``--dg-…`` (``in_ini_only``: none), variable ``environment``.

    No dataclass: every start of pytest would pay for making one.
    """

    def __init__(
        self,
        name: str,
        metavar: str,
        default: str | None,
        help: str,  # noqa: A002 - what it is
        parse: Callable[[str], Any],
        environment: str | None = None,
        *,
        in_ini_only: bool = False,
    ) -> None:
        self.name = name
        self.metavar = metavar
        self.default = default
        self.help = help
        self.parse = parse
        self.environment = environment
        self.in_ini_only = in_ini_only

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


def _url(scheme: str, path: str, accepted: str) -> Callable[[str], str]:
    """``scheme`` and ``path`` are patterns."""

    def parse(text: str) -> str:
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise SettingsError(f"a user name or password in a URL is refused; accepted: {accepted}")
        if not re.fullmatch(rf"{scheme}://[^\s/?#@%\\]+({path})?", text) or host_of(text) == "":
            raise SettingsError(f"{text!r} is no such URL; accepted: {accepted}")
        return text

    return parse


def _project(text: str) -> str | None:
    # An empty one comes from the environment of other tools, and says nothing.
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", text):
        raise SettingsError(f"{text!r} is no project id")
    return text or None


def _tolerance(text: str) -> tuple[int, float]:
    """Return milliseconds and a share of 1."""
    absolute, _, relative = text.partition(",")
    percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%", relative)
    if percent is None or float(percent[1]) > 100:
        raise SettingsError(f"{text!r} is no tolerance; accepted: a TIME and a percentage of up to 100, such as 2s,5%")
    return parse_time(absolute), float(percent[1]) / 100


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
        _url("wss?", r"/[^\s#]*", "wss://HOST[:PORT]/PATH, ws:// on loopback"),
        "DG_AGENT_URL",
    ),
    Option(
        "dg_api_url",
        "URL",
        DEFAULT_API_URL,
        "Management API, which says what was used.",
        _url("https?", r"/[^\s?#]*", "https://HOST[:PORT], http:// on loopback"),
        "DG_API_URL",
    ),
    Option(
        "dg_project",
        "ID",
        None,
        "Project to reconcile against; by default the only one that the key sees.",
        _project,
        "DEEPGRAM_PROJECT_ID",
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
        "dg_reconcile",
        "WHEN",
        "warn",
        "Compare with the vendor's statement at the end: off; warn; or require: anything but reconciled fails the run.",
        _choice("off", "warn", "require"),
    ),
    Option(
        "dg_reconcile_timeout",
        "TIME",
        "30s",
        "How long to wait for the vendor's statement; not at all after Ctrl-C or -x.",
        parse_time,
    ),
    Option(
        "dg_tolerance",
        "ABS,REL",
        "2s,5%",
        "How far the vendor's figure for a session may lie from ours: the larger of the two.",
        _tolerance,
    ),
    Option(
        "dg_vendor_grace",
        "TIME",
        "10m",
        "How long after its end a session may be missing from the vendor's statement.",
        parse_time,
        in_ini_only=True,
    ),
    Option(
        "dg_junit_attachment",
        "PATH",
        "relative",
        "How the JUnit file names the report in a failed testcase: relative (GitLab), absolute (Jenkins) or off.",
        _choice("relative", "absolute", "off"),
        in_ini_only=True,
    ),
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


def host_of(url: str) -> str:
    """Return the host of a URL, brackets included; empty when there is none."""
    authority = re.split(r"[/?#]", url.split("://", 1)[1], maxsplit=1)[0]
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?", authority)
    return match[1] if match and int(match[2] or 0) < 2**16 else ""
