"""The parsers of options, by the names that the table gives them: from text to value; each raises SettingsError."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pytest_dgbudget.config import host_of
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import WrongCurrency, parse_period, parse_time, parse_usd

T = TypeVar("T")


def time_or_off(text: str) -> int | None:
    """Return milliseconds, or None for ``off``; raises SettingsError."""
    return None if text == "off" else parse_time(text)


def run_time(text: str) -> int:
    """Return milliseconds; raises SettingsError."""
    return _no_money(text, f"a run budget in money is --dg-cost-budget='{text}'", parse_time)


def run_usd(text: str) -> int:
    """Return millionths of a dollar; raises SettingsError."""
    return _no_time(text, f"a run budget in time is --dg-budget={text}")


def each_test_time(text: str) -> int | None:
    """Return milliseconds, or None for ``off``; raises SettingsError."""
    to_do = "a test's budget in money is cost in its marker dg_budget, or test in [[path]] of dgbudget.toml"
    return _no_money(text, to_do, time_or_off)


def marked_time_or_off(text: str) -> int | None:
    """Return milliseconds, or None for ``off``; raises SettingsError."""
    return _no_money(text, f'a budget in money is cost="{text}"', time_or_off)


def marked_usd_or_off(text: str) -> int | None:
    """Return millionths of a dollar, or None for ``off``; raises SettingsError."""
    return None if text == "off" else _no_time(text, f'a budget in time is dg_budget("{text}")')


def _no_money(text: str, to_do: str, parse: Callable[[str], T]) -> T:
    micro_usd = _parsed(parse_usd, text) if text.startswith("$") else None
    if micro_usd is not None:
        raise WrongCurrency(f"{text!r} is an amount of money; {to_do}", "money", micro_usd)
    return parse(text)


def _no_time(text: str, to_do: str) -> int:
    milliseconds = None if _parsed(parse_usd, text) is not None else _parsed(parse_time, text)
    if milliseconds is not None:
        raise WrongCurrency(f"{text!r} is a time; {to_do}", "time", milliseconds)
    return parse_usd(text)


def _parsed(parse: Callable[[str], int], text: str) -> int | None:
    try:
        return parse(text)
    except SettingsError:
        return None


def _choice(*accepted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in accepted:
            raise SettingsError(f"{text!r} is not one of {', '.join(accepted)}")
        return text

    return parse


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise SettingsError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def switch(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise SettingsError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "1", "yes", "on"}


def run_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise SettingsError(f"{text!r} is not a run id; accepted: 1 to 100 characters of A-Z a-z 0-9 . _ -")
    return text


def _url(scheme: str, path: str, accepted: str) -> Callable[[str], str]:
    """``scheme`` and ``path`` are patterns."""

    def parse(text: str) -> str:
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise SettingsError(f"a URL must not contain a user name or password; accepted: {accepted}")
        if not re.fullmatch(rf"{scheme}://[^\s/?#@%\\]+({path})?", text) or host_of(text) == "":
            raise SettingsError(f"{text!r} is not a URL of this kind; accepted: {accepted}")
        return text

    return parse


def project(text: str) -> str | None:
    # An empty one comes from the environment of other tools, and means nothing.
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", text):
        raise SettingsError(f"{text!r} is not a project id; accepted: up to 100 characters of A-Z a-z 0-9 . _ -")
    return text or None


def tolerance(text: str) -> tuple[int, float]:
    """Return milliseconds, and a share between 0 and 1."""
    absolute, _, relative = text.partition(",")
    share = _share(relative)
    if share is None:
        raise SettingsError(
            f"{text!r} is not a tolerance; accepted: a TIME and a percentage of up to 100, such as 2s,5%"
        )
    return parse_time(absolute), share


def percentage(text: str) -> float:
    """Return a share between 0 and 1."""
    share = _share(text)
    if share is None:
        raise SettingsError(f"{text!r} is not a percentage; accepted: up to 100%, such as 0.5%")
    return share


def _share(text: str) -> float | None:
    percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%", text)
    return None if percent is None or float(percent[1]) > 100 else float(percent[1]) / 100


def cassette_max_age(text: str) -> tuple[int, bool]:
    """Return milliseconds, and whether an older cassette fails its test."""
    age, _, fails = text.strip().partition(" ")
    if fails.strip() not in {"", "fail"}:
        raise SettingsError(f"{text!r} is not an age; accepted: an AGE such as 90d, which warns, or 90d fail")
    return parse_period(age), fails != ""


class ServerLedger:
    """A ledger on a server: its URL without a password, and the password that stood in it, if any."""

    def __init__(self, url: str, password: str | None) -> None:
        self.url = url
        self.password = password


def ledger(text: str) -> Path | ServerLedger:
    prefix = "sqlite:///"
    scheme, colon, _ = text.partition(":")
    if scheme in {"postgresql", "postgres"} and colon:
        return _server_ledger(text)
    if not text.startswith(prefix) or not text[len(prefix) :]:
        if "=" in scheme:  # as libpq takes it, with the password in it
            raise SettingsError(f"it is no URL; accepted: {_LEDGERS}")
        if text and not colon:
            raise SettingsError(f"{text!r} is no ledger; accepted: {_LEDGERS}, for that file {prefix}{text}")
        raise SettingsError(f"unknown kind of ledger {scheme!r}; accepted: {_LEDGERS}")
    return Path(text[len(prefix) :])


_LEDGERS = "sqlite:///PATH, postgresql://[USER@]HOST[:PORT]/DATABASE"


def _server_ledger(text: str) -> ServerLedger:
    """No message has what was given: there may be a password in it."""
    from urllib.parse import unquote

    match = re.fullmatch(r"postgres(?:ql)?://(?:([^/?#@]*)@)?([^/?#@]*)(/[^/?#@]*)?(?:\?([^#]*))?", text)
    if match is None:
        raise SettingsError(
            "it is no URL of a PostgreSQL database; accepted: postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE, "
            "where a password has other characters than letters, digits and ._~- percent-encoded"
        )
    user_and_password, hosts, database, query = match.groups()
    user, _, password = (user_and_password or "").partition(":")
    kept = []
    for part in (query or "").split("&"):
        name, _, value = part.partition("=")
        if unquote(name) in _SECRET_PARAMETERS:
            raise SettingsError(f"a ledger's URL can't have {unquote(name)}; see PGSERVICEFILE for what else is secret")
        if unquote(name) == "password":
            password = value
        elif part:
            kept.append(part)
    at, question = "@" if user else "", "?" if kept else ""
    url = f"postgresql://{user}{at}{hosts}{database or ''}{question}{'&'.join(kept)}"
    return ServerLedger(url, unquote(password) or None)


_SECRET_PARAMETERS = {"sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}


def path(text: str) -> Path:
    if not text:
        raise SettingsError("the path is empty")
    return Path(text)


def scenario(text: str) -> str:
    if not text or text.startswith("::"):
        raise SettingsError(f"{text!r} names no file; accepted: FILE, FILE::NAME")
    return text


def listen(text: str) -> str:
    """Return ADDRESS:PORT, with port 0 where the system is to choose one."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::([0-9]{1,5}))?", text)
    if match is None or not text or int(match[2] or 0) >= 2**16 or match[2] == "0":
        raise SettingsError(f"{text!r} is no place to listen; accepted: ADDRESS, ADDRESS:PORT, :PORT")
    return f"{match[1] or '127.0.0.1'}:{match[2] or 0}"


def key_variables(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names):
        raise SettingsError(f"{text!r} are no names of variables; accepted: NAME, or NAMES separated by commas")
    return names


def run_key(text: str) -> str:
    accepted = ("off", "on", "require")
    if text not in accepted:
        # Without a value, the flag takes the argument behind it for one.
        raise SettingsError(f"{text!r} is not one of {', '.join(accepted)}; before a path, write --dg-run-key=on")
    return text


def scopes(text: str) -> tuple[str, ...]:
    """Return names of scopes, which commas or blanks separate."""
    names = tuple(text.replace(",", " ").split())
    if not names or not all(re.fullmatch(r"[a-z][a-z0-9_:-]{0,99}", name) for name in names):
        raise SettingsError(f"{text!r} are no scopes; accepted: names such as usage:write, several by commas")
    return names


def hosts(text: str) -> tuple[str, ...]:
    """Return patterns of Host headers, which commas or blanks separate."""
    patterns = tuple(text.replace(",", " ").split())
    for pattern in patterns:
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:([0-9]{1,5}|\*))?", pattern):
            raise SettingsError(f"{pattern!r} is not a host; accepted: NAME, NAME:PORT, NAME:*, several by commas")
    return patterns


def patterns(text: str) -> tuple[str, ...]:
    """Return regular expressions, as Python's re module reads them: one a line."""
    lines = [line.strip() for line in text.strip().splitlines()]
    for number, line in enumerate(lines, 1):
        _refuse_no_pattern(line, number)
    return tuple(line for line in lines if line)


def _refuse_no_pattern(text: str, line: int) -> None:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(f"line {line}, {text!r}, is no regular expression: {error}") from None


def cassette_ignore(text: str) -> tuple[str, ...]:
    """Return what may change in messages, TYPE/POINTER each: one a line."""
    lines = tuple(line.strip() for line in text.strip().splitlines())
    for line in lines:
        if line and not re.fullmatch(r"\w+(/([^/~]|~[01])*)+", line):
            raise SettingsError(
                f"{line!r} is no part of a message; accepted: a message's type and a JSON pointer into it, such as "
                "Settings/agent/think/prompt or FunctionCallResponse/content, with * for any element"
            )
        if line.partition("/")[2] == "type":
            raise SettingsError(f"{line!r} is what messages are told apart by, and is always compared")
    return tuple(line for line in lines if line)


max_sessions = _whole_number(1, 10_000)
exit_code = _whole_number(1, 255)
on_exhausted = _choice("fail", "skip", "stop")
pace = _choice("vendor", "max")
record = _choice("none", "once", "rewrite")
target = _choice("auto", "live", "emulator", "replay")
cassette_audio = _choice("exact", "length", "any")
reconcile = _choice("off", "warn", "require")
credit = _choice("off", "warn", "require")
artifacts = _choice("off", "on-failure", "always")
regression = _choice("off", "warn", "fail")
leaks = _choice("report", "fail")
check_protocol = _choice("off", "warn", "fail")
redirect = _choice("clients", "refuse", "warn", "off")
junit_attachment = _choice("relative", "absolute", "off")
junit_properties = _choice("testcase", "suite", "off")
agent_url = _url("wss?", r"/[^\s#]*", "wss://HOST[:PORT]/PATH, ws:// on loopback")
api_url = _url("https?", r"/[^\s?#]*", "https://HOST[:PORT], http:// on loopback")
