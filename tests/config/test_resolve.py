"""From what was given, and where, to the settings of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config import DEFAULT_AGENT_URL, DEFAULT_API_URL, OPTIONS, Option
from pytest_dgbudget.config.handed_over import from_json
from pytest_dgbudget.config.resolve import RunConfig, is_loopback, refuse_unbounded, resolve
from pytest_dgbudget.credentials import TOKEN_PREFIX
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import WrongCurrency

ROOT, HERE = Path("/project"), Path("/project/somewhere")
NO_KEY: dict[str, str] = {}
SECRET = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"
KEY = {"DEEPGRAM_API_KEY": SECRET}
BOUNDED_KEY = {**KEY, "DG_BUDGET": "5m"}  # with these, auto is live


def resolved(
    command_line: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    ini: Mapping[str, Any] | None = None,
) -> RunConfig:
    return resolve(
        command_line=command_line or {},
        environment=environment or {},
        ini=ini or {},
        rootdir=ROOT,
        current_dir=HERE,
    )


# Of each option: the attribute of RunConfig, and three texts with what they come to.
VALUES: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "dg_budget": ("budget_ms", [("1m", 60_000), ("2m", 120_000), ("3", 3000)]),
    "dg_cost_budget": ("cost_budget_micro_usd", [("0.50", 500_000), ("$150", 150_000_000), ("0", 0)]),
    "dg_test_budget": ("test_budget_ms", [("1m", 60_000), ("off", None), ("3s", 3000)]),
    "dg_idle_timeout": ("idle_ms", [("1m", 60_000), ("off", None), ("3s", 3000)]),
    "dg_max_sessions": ("max_sessions", [("1", 1), ("2", 2), ("10000", 10_000)]),
    "dg_on_exhausted": ("on_exhausted", [("skip", "skip"), ("fail", "fail"), ("stop", "stop")]),
    "dg_target": ("target", [("live", "live"), ("emulator", "emulator"), ("replay", "replay")]),
    "dg_agent_url": ("agent_url", [(url, url) for url in ("wss://a/x", "wss://b:1/x", "ws://c")]),
    "dg_api_url": ("api_url", [(url, url) for url in ("https://a", "https://b:1/x", "https://c")]),
    "dg_project": ("project", [("", None), ("one", "one"), ("0f8fad5b-d9cb", "0f8fad5b-d9cb")]),
    "dg_reconcile": ("reconcile", [("off", "off"), ("warn", "warn"), ("require", "require")]),
    "dg_reconcile_timeout": ("reconcile_timeout_ms", [("1m", 60_000), ("0", 0), ("3s", 3000)]),
    "dg_tolerance": ("tolerance_ms", [("1s,0%", 1000), ("0,10%", 0), ("500ms,2.5%", 500)]),
    "dg_drift": ("drift_share", [("1%", 0.01), ("0%", 0.0), ("0.25%", 0.0025)]),
    "dg_credit": ("credit", [("off", "off"), ("warn", "warn"), ("require", "require")]),
    "dg_run_key": ("run_key", [("on", "on"), ("require", "require"), ("off", "off")]),
    "dg_run_key_scopes": (
        "run_key_scopes",
        [
            ("usage:write", ("usage:write",)),
            ("a:b, c", ("a:b", "c")),
            ("member agent:write", ("member", "agent:write")),
        ],
    ),
    "dg_vendor_grace": ("vendor_grace_ms", [("1m", 60_000), ("0", 0), ("3s", 3000)]),
    "dg_junit_attachment": ("junit_attachment", [("off", "off"), ("absolute", "absolute"), ("relative", "relative")]),
    "dg_junit_properties": ("junit_properties", [("off", "off"), ("suite", "suite"), ("testcase", "testcase")]),
    "dg_run_id": ("run_id", [(name, name) for name in ("one", "two-2", "a.b_c")]),
    "dg_ledger": (
        "ledger",
        [
            ("sqlite:///a.db", ROOT / "a.db"),
            ("sqlite:///b/c.db", ROOT / "b/c.db"),
            ("sqlite:////abs/d.db", Path("/abs/d.db")),
        ],
    ),
    "dg_report_dir": ("report_dir", [("/a", Path("/a")), ("/b", Path("/b")), ("/c", Path("/c"))]),
    "dg_agent_settings": ("agent_settings", [("/a", Path("/a")), ("/b", Path("/b")), ("/c", Path("/c"))]),
    "dg_scenario": ("scenario", [("/a.toml", "/a.toml"), ("/b::x", "/b::x"), ("/c", "/c")]),
    "dg_pace": ("pace", [("max", "max"), ("vendor", "vendor"), ("max", "max")]),
    "dg_record": ("record", [("once", "once"), ("none", "none"), ("rewrite", "rewrite")]),
    "dg_cassette_ignore": (
        "cassette_ignore",
        [
            ("Settings/agent", ("Settings/agent",)),
            ("\n  Settings/tags/*\n\n Own_1/a~1b/~0\n", ("Settings/tags/*", "Own_1/a~1b/~0")),
            ("A/", ("A/",)),
        ],
    ),
    "dg_cassette_audio": ("cassette_audio", [("exact", "exact"), ("any", "any"), ("length", "length")]),
    "dg_cassette_dir": ("cassette_dir", [("/a", Path("/a")), ("/b", Path("/b")), ("/c", Path("/c"))]),
    "dg_check_protocol": ("check_protocol", [("fail", "fail"), ("off", "off"), ("warn", "warn")]),
    "dg_regression": ("regression", [("off", "off"), ("fail", "fail"), ("warn", "warn")]),
    "dg_leaks": ("leaks", [("fail", "fail"), ("report", "report"), ("fail", "fail")]),
    "dg_artifacts": ("artifacts", [("off", "off"), ("always", "always"), ("on-failure", "on-failure")]),
    "dg_artifacts_audio": ("artifacts_audio", [("true", True), ("false", False), ("1", True)]),
    "dg_scrub": ("scrub", [("a+", ("a+",)), ("\n a+ \n\nb|c\n", ("a+", "b|c")), (r"\d{3}", (r"\d{3}",))]),
    "dg_cassette_max_age": (
        "cassette_max_age_ms",
        [("90d", 7_776_000_000), ("12h fail", 43_200_000), ("0  fail", 0)],
    ),
    "dg_keep_key": ("keep_key", [("true", True), ("false", False), ("1", True)]),
    "dg_redirect": ("redirect", [("refuse", "refuse"), ("warn", "warn"), ("off", "off")]),
    "dg_redirect_children": ("redirect_children", [("false", False), ("true", True), ("0", False)]),
    "dg_listen": ("listen", [("10.0.0.1", "10.0.0.1:0"), (":80", "127.0.0.1:80"), ("[::]:8080", "[::]:8080")]),
    "dg_key_variables": ("key_variables", [("A", ("A",)), ("A_1, B", ("A_1", "B")), ("c", ("c",))]),
    "dg_pass_other": ("pass_other", [("true", True), ("false", False), ("1", True)]),
    "dg_allowed_hosts": (
        "allowed_hosts",
        [("app", ("app",)), ("app:80,[::1]:*", ("app:80", "[::1]:*")), ("a.b:*\nc_d", ("a.b:*", "c_d"))],
    ),
    "dg_overrun_exit_code": ("overrun_exit_code", [("1", 1), ("75", 75), ("255", 255)]),
}
DEFAULTS: dict[str, Any] = {
    "budget_ms": None,
    "cost_budget_micro_usd": None,
    "test_budget_ms": 60_000,
    "idle_ms": 30_000,
    "max_sessions": 15,
    "on_exhausted": "fail",
    "target": "emulator",
    "target_given": False,
    "is_rehearsal": False,
    "not_live": None,
    "ignores_agent_url": False,
    "agent_url": DEFAULT_AGENT_URL,
    "api_url": DEFAULT_API_URL,
    "project": None,
    "reconcile": "warn",
    "reconcile_timeout_ms": 30_000,
    "tolerance_ms": 2000,
    "tolerance_share": 0.05,
    "drift_share": 0.005,
    "run_key": "off",
    "run_key_scopes": ("usage:write",),
    "vendor_grace_ms": 600_000,
    "junit_attachment": "relative",
    "junit_properties": "testcase",
    "ledger": ROOT / ".dgbudget/ledger.db",
    "ledger_given": False,
    "report_dir": ROOT / ".dgbudget/report",
    "agent_settings": None,
    "artifacts": "on-failure",
    "artifacts_audio": False,
    "scrub": (),
    "record": "none",
    "record_given": False,
    "cassette_dir": None,
    "cassette_max_age_ms": None,
    "cassette_max_age_fails": False,
    "recording_dir": None,
    "scenario": None,
    "pace": "vendor",
    "check_protocol": "warn",
    "regression": "warn",
    "leaks": "report",
    "keep_key": False,
    "pass_other": False,
    "allowed_hosts": ("host.docker.internal",),
    "overrun_exit_code": 1,
    "windows": (),
    "require_history": False,
    "paths": (),
    "project_sessions": None,
    "has_key": False,
    "api_key": None,
}
BAD = {
    "dg_budget": ["", "10 minutes", "-1s", "off"],
    "dg_cost_budget": ["", " ", "$", "-1", "-$1", "nan", "$nan", "1e3", "1,50", "off", "0.0000001", "1000001"],
    "dg_test_budget": ["", "never", "5s5m"],
    "dg_idle_timeout": ["", "none", "nan"],
    "dg_max_sessions": ["", "0", "-1", "10001", "1.5", "many", "9" * 20],
    "dg_on_exhausted": ["", "Fail", "ignore"],
    "dg_target": ["", "Live", "production"],
    "dg_agent_url": ["", "agent.deepgram.com", "https://a/x", "wss://", "wss:///x", "wss://a b", "wss://u:p@h/x"],
    "dg_api_url": [
        "",
        "api.deepgram.com",
        "wss://a/x",
        "https://",
        "https://u:p@h",
        "https://a?b",
        "https://a b",
        "https://a\\b",
        "https://a%2eb",
    ],
    "dg_project": ["a b", "a/b", "x" * 101, "é"],
    "dg_reconcile": ["", "Warn", "always"],
    "dg_reconcile_timeout": ["", "off", "-1s"],
    "dg_tolerance": ["", "2s", "5%", "2s,5", "2s,-5%", "2s,101%", "2s,nan%", "off,5%", "2s,5%,1", "2s, 5%"],
    "dg_drift": ["", "off", "1", "1s", "-1%", "101%", "nan%", " 1%"],
    "dg_credit": ["", "on", "Require"],
    "dg_run_key": ["", "yes", "true", "On", "tests/test_it.py"],
    "dg_run_key_scopes": ["", " ", "usage write!", "Usage:Write", "a\nb;c"],
    "dg_vendor_grace": ["", "off", "never"],
    "dg_junit_attachment": ["", "yes", "Absolute"],
    "dg_junit_properties": ["", "yes", "testsuite"],
    "dg_regression": ["", "on", "Warn", "require"],
    "dg_leaks": ["", "off", "warn"],
    "dg_pace": ["", "fast", "Max"],
    "dg_record": ["", "all", "Once", "new_episodes"],
    "dg_cassette_dir": [""],
    "dg_cassette_ignore": [
        "Settings",
        "/Settings/agent",
        "Settings/agent~2",
        "Settings/agent\nprompt",
        "a b/c",
    ],
    "dg_cassette_audio": ["", "Exact", "none"],
    "dg_check_protocol": ["", "on", "report"],
    "dg_run_id": ["", "a b", "a/b", "x" * 101, "é", "a\n"],
    "dg_ledger": ["", "sqlite:///", "ledger.db", "mysql://h/d"],
    "dg_report_dir": [""],
    "dg_agent_settings": [""],
    "dg_scenario": ["", "::name"],
    "dg_artifacts": ["", "on", "failure", "Always"],
    "dg_artifacts_audio": ["", "maybe"],
    "dg_scrub": ["(", "a\n[", "a{2,1}", "\\"],
    "dg_cassette_max_age": ["", "off", "fail", "90 days", "90d warn", "90d fail fail", "-1d", "4000d"],
    "dg_keep_key": ["", "maybe", "2"],
    "dg_redirect": ["", "on"],
    "dg_redirect_children": ["", "maybe"],
    "dg_listen": ["", ":", "a b", ":0", ":65536", "::1", "http://a", "a:b"],
    "dg_key_variables": ["", "1A", "A,", "A B", "A=b"],
    "dg_pass_other": ["", "maybe", "2"],
    "dg_allowed_hosts": ["*", "app:", "app:x", "app:123456", "http://app", "a/b"],
    "dg_overrun_exit_code": ["", "0", "256", "x"],
}


def test_every_option_has_its_values_and_is_known_to_these_tests() -> None:
    names = {option.name for option in OPTIONS}
    assert VALUES.keys() == names == BAD.keys()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_command_line_beats_environment_beats_ini_beats_default(option: Option) -> None:
    attribute, ((first, expected_first), (second, expected_second), (third, expected_third)) = VALUES[option.name]
    ini = {option.name: third}
    assert getattr(resolved(ini=ini), attribute) == expected_third
    environment = NO_KEY
    if option.environment is not None:
        environment = {option.environment: second}
        assert getattr(resolved(environment=environment, ini=ini), attribute) == expected_second
    if not option.in_ini_only:
        assert getattr(resolved({option.name: first}, environment, ini), attribute) == expected_first
        assert getattr(resolved({option.name: None}, NO_KEY, ini), attribute) == expected_third


@pytest.mark.parametrize("attribute", DEFAULTS)
def test_defaults(attribute: str) -> None:
    assert getattr(resolved(), attribute) == DEFAULTS[attribute]


def test_an_old_cassette_fails_its_test_only_where_that_is_said() -> None:
    assert not resolved(ini={"dg_cassette_max_age": "90d"}).cassette_max_age_fails
    assert resolved(ini={"dg_cassette_max_age": "90d fail"}).cassette_max_age_fails


def test_every_run_makes_up_a_name_of_its_own() -> None:
    first, second = resolved().run_id, resolved().run_id
    assert first != second
    assert resolved({"dg_run_id": first}).run_id == first


def test_toml_may_hold_numbers_and_booleans_of_its_own() -> None:
    settings = resolved(ini={"dg_budget": 90, "dg_test_budget": 1.5, "dg_max_sessions": 3, "dg_keep_key": True})
    assert (settings.budget_ms, settings.test_budget_ms) == (90_000, 1500)
    assert (settings.max_sessions, settings.keep_key) == (3, True)


# Where a relative path starts


def test_on_the_command_line_a_path_starts_here_and_elsewhere_at_the_rootdir() -> None:
    assert resolved({"dg_report_dir": "out"}).report_dir == HERE / "out"
    assert resolved(ini={"dg_report_dir": "out"}).report_dir == ROOT / "out"
    assert resolved({"dg_cassette_dir": "tapes"}).cassette_dir == HERE / "tapes"
    assert resolved(ini={"dg_cassette_dir": "tapes"}).cassette_dir == ROOT / "tapes"
    assert resolved(ini={"dg_agent_settings": "agent.json"}).agent_settings == ROOT / "agent.json"
    assert resolved(ini={"dg_scenario": "a.toml::one"}).scenario == str(ROOT / "a.toml::one")


@pytest.mark.parametrize(
    "settings",
    [
        resolved({"dg_ledger": "sqlite:///x.db"}),
        resolved(environment={"DG_LEDGER": "sqlite:///x.db"}),
        resolved(ini={"dg_ledger": "sqlite:///x.db"}),
    ],
    ids=["command line", "environment", "ini"],
)
def test_the_ledger_always_starts_at_the_rootdir(settings: RunConfig) -> None:
    assert settings.ledger == ROOT / "x.db"
    assert settings.ledger_given


# Who is spoken to


@pytest.mark.parametrize(
    ("environment", "target"),
    [
        (NO_KEY, "emulator"),
        ({"DEEPGRAM_API_KEY": ""}, "emulator"),
        ({"DEEPGRAM_API_KEY": " \n", "DG_BUDGET": "5m"}, "emulator"),
        (KEY, "emulator"),
        (BOUNDED_KEY, "live"),
        ({"DEEPGRAM_API_KEY": SECRET.upper(), "DG_BUDGET": "0"}, "live"),
        ({**BOUNDED_KEY, "DGBUDGET_ACTIVE": "a-run"}, "emulator"),
        ({**BOUNDED_KEY, "DGBUDGET_ACTIVE": ""}, "live"),
        ({**BOUNDED_KEY, "DG_TARGET": "emulator"}, "emulator"),
        ({**KEY, "DGBUDGET_ACTIVE": "a-run", "DG_TARGET": "live"}, "live"),
        ({**KEY, "DG_COST_BUDGET": "0.50"}, "live"),
    ],
)
def test_auto_is_live_with_a_key_and_a_budget_and_never_inside_a_run(environment: dict[str, str], target: str) -> None:
    settings = resolved(environment=environment)
    assert settings.target == target
    assert settings.billed == (target == "live")
    assert settings.target_given == ("DG_TARGET" in environment)
    assert settings.not_live is None


STORED = [{"dg_budget": "5m"}, {"--dg-budget": "5m"}, {"dg_cost_budget": "5"}, {"--dg-cost-budget": "5"}]


@pytest.mark.parametrize("ini", STORED, ids=str)
def test_a_stored_budget_turns_nothing_live_and_one_given_for_this_run_does(ini: dict[str, str]) -> None:
    settings = resolved(environment=KEY, ini=ini)
    assert (settings.target, settings.has_run_budget) == ("emulator", True)
    assert "add --dg-budget=TIME or --dg-cost-budget=USD" in (settings.not_live or "")
    assert resolved(ini=ini).not_live is None, "without a key nothing suggests live"
    assert resolved({"dg_cost_budget": "1"}, KEY, ini).target == "live"
    assert resolved({"dg_budget": "1m"}, KEY, ini).target == "live"
    assert resolved({"dg_target": "live"}, KEY, ini).target == "live"


def test_an_agent_url_for_this_run_that_the_emulator_ignores_is_noticed() -> None:
    url = "wss://agent.example/v1/agent/converse"
    assert resolved({"dg_agent_url": url, "dg_target": "emulator"}).ignores_agent_url
    assert resolved(environment={"DG_AGENT_URL": url}).ignores_agent_url
    assert not resolved(ini={"dg_agent_url": url}).ignores_agent_url
    assert not resolved(environment={**BOUNDED_KEY, "DG_AGENT_URL": url}).ignores_agent_url


def test_a_scenario_may_be_named_where_the_file_is() -> None:
    assert resolved({"dg_scenario": "orders.toml::refund"}).scenario == str(HERE / "orders.toml::refund")
    assert resolved(ini={"dg_scenario": "orders.toml::refund"}).scenario == str(ROOT / "orders.toml::refund")


def test_addopts_counts_as_ini_and_wins_over_the_key_of_the_same_name() -> None:
    ini = {"--dg-budget": "3s", "dg_budget": "4s", "--dg-report-dir": "out"}
    assert resolved(ini=ini).budget_ms == 3000
    assert resolved(environment={"DG_BUDGET": "2s"}, ini=ini).budget_ms == 2000
    assert resolved(ini=ini).report_dir == ROOT / "out"
    with pytest.raises(SettingsError, match=r"^--dg-budget in addopts: "):
        resolved(ini={"--dg-budget": "10 minutes"})


@pytest.mark.parametrize("key", ["x", "0" * 40, "aA" * 20, SECRET[1:], SECRET + "0", "-" + SECRET[1:]])
def test_a_dummy_turns_nothing_live_and_is_not_shown(key: str) -> None:
    settings = resolved({"dg_budget": "5m"}, {"DEEPGRAM_API_KEY": key})
    assert settings.target == "emulator"
    assert "DEEPGRAM_API_KEY is a dummy" in (settings.not_live or "")
    assert key == "x" or key not in (settings.not_live or "")
    assert resolved({"dg_budget": "5m", "dg_target": "live"}, {"DEEPGRAM_API_KEY": key}).target == "live"


def test_a_token_is_never_taken_for_a_key() -> None:
    token = {"DEEPGRAM_API_KEY": TOKEN_PREFIX + "a" * 32}
    assert resolved({"dg_budget": "5m"}, token).target == "emulator"
    live = resolved({"dg_budget": "5m", "dg_target": "live"}, token)
    with pytest.raises(SettingsError, match="needs a key"):
        refuse_unbounded(live)


def test_the_key_is_the_first_of_its_variables_that_is_set() -> None:
    environment = {"A": " ", "B": SECRET, "DEEPGRAM_API_KEY": "x"}
    found = resolved({"dg_budget": "5m"}, environment, {"dg_key_variables": "A, B, DEEPGRAM_API_KEY"})
    assert (found.target, found.key_variable, found.api_key) == ("live", "B", SECRET)


@pytest.mark.parametrize("host", ["agent.example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"])
def test_plain_text_to_another_machine_is_refused_when_live_and_only_then(host: str) -> None:
    url = {"dg_agent_url": f"ws://{host}:80/v1/agent/converse"}
    assert resolved(url).agent_url == url["dg_agent_url"]
    with pytest.raises(SettingsError, match="plain text"):
        resolved(url, BOUNDED_KEY)
    assert resolved({"dg_agent_url": url["dg_agent_url"].replace("ws:", "wss:")}, BOUNDED_KEY).billed


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_plain_text_to_this_machine_is_fine(host: str) -> None:
    assert resolved({"dg_agent_url": f"ws://{host}:8080/x"}, BOUNDED_KEY).billed


@pytest.mark.parametrize("host", ["", "127.0.0", "127.0.0.x", "128.0.0.1", "[::2]", "::1", "127.0.0.1.", "0.0.0.0"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


# No budget, no spending


@pytest.mark.parametrize(
    ("command_line", "environment", "missing"),
    [
        ({"dg_target": "live", "dg_budget": "1m"}, NO_KEY, "DEEPGRAM_API_KEY"),
        ({"dg_target": "live"}, KEY, "--dg-budget"),
    ],
)
def test_live_without_a_key_or_a_run_budget_is_refused(
    command_line: dict[str, str], environment: dict[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError, match=missing):
        refuse_unbounded(resolved(command_line, environment))


@pytest.mark.parametrize(
    ("command_line", "environment"),
    [({"dg_budget": "1m"}, KEY), ({"dg_budget": "0"}, KEY), ({}, NO_KEY), ({"dg_target": "emulator"}, KEY)],
)
def test_bounded_or_unbilled_is_fine(command_line: dict[str, str], environment: dict[str, str]) -> None:
    refuse_unbounded(resolved(command_line, environment))


# What is wrong, and where it came from


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_bad_value_names_the_option_and_where_it_came_from(name: str, text: str) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    with pytest.raises(SettingsError, match=f"^ini {name}: "):
        resolved(ini={name: text})
    if not option.in_ini_only:
        with pytest.raises(SettingsError, match=f"^{option.flag}: "):
            resolved({name: text})
    if option.environment is not None and text.strip():
        with pytest.raises(SettingsError, match=f"^{option.environment}: "):
            resolved(environment={option.environment: text})


def test_what_is_not_used_is_not_judged() -> None:
    assert resolved({"dg_budget": "1m"}, {"DG_BUDGET": "nonsense"}).budget_ms == 60_000


@pytest.mark.parametrize(
    "text", ["mysql://user:hunter2@host/ledger", "host=server password=hunter2", "password=hunter2 options=-ca:b"]
)
def test_a_ledger_of_another_kind_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(SettingsError, match="postgresql://") as refused:
        resolved(environment={"DG_LEDGER": text})
    assert "hunter2" not in str(refused.value)


SERVER = "postgresql://user@host:5432/ledger?sslmode=require"
WITH_PASSWORD = [
    "postgresql://user:hunter%322@host:5432/ledger?sslmode=require",
    "postgres://user@host:5432/ledger?pass%77ord=hunter%322&sslmode=require",
]


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_a_password_of_a_server_is_taken_from_the_environment_and_shown_nowhere(url: str) -> None:
    settings = resolved(environment={"DG_LEDGER": url})
    assert (settings.ledger, settings.ledger_password) == (SERVER, "hunter22")
    assert settings.state_dir == ROOT / ".dgbudget"
    assert "hunter" not in f"{settings!r} {settings.to_json()}"
    assert from_json(settings.to_json()).ledger == SERVER


@pytest.mark.parametrize("url", WITH_PASSWORD)
@pytest.mark.parametrize("given", [0, 1], ids=["command line", "ini"])
def test_a_password_of_a_server_is_refused_where_others_can_read_it(url: str, given: int) -> None:
    places = [{"dg_ledger": url}, {"dg_ledger": url}]
    with pytest.raises(SettingsError, match=r"PGPASSWORD.*DG_LEDGER.*\.pgpass") as refused:
        resolved(places[0] if given == 0 else {}, ini=places[1] if given == 1 else {})
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgresql://user:@host/ledger", "postgres://user@host/ledger?password="])
def test_an_empty_password_is_none(url: str) -> None:
    settings = resolved({"dg_ledger": url})
    assert (settings.ledger, settings.ledger_password) == ("postgresql://user@host/ledger", None)


@pytest.mark.parametrize("url", ["postgresql:x", "postgresql://u:hunter/2@host/db", "postgresql://u:hunter@2@host/db"])
def test_what_is_no_url_of_a_server_is_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="percent-encoded") as refused:
        resolved(environment={"DG_LEDGER": url})
    assert "hunter" not in str(refused.value)


def test_other_secrets_in_a_url_of_a_server_are_refused() -> None:
    with pytest.raises(SettingsError, match="can't have sslpassword") as refused:
        resolved(environment={"DG_LEDGER": "postgresql://host/db?sslpassword=hunter2"})
    assert "hunter" not in str(refused.value)


def test_an_agent_url_with_credentials_is_refused_without_its_password() -> None:
    with pytest.raises(SettingsError) as refused:
        resolved(environment={"DG_AGENT_URL": "wss://user:hunter2@host/v1/agent/converse"})
    assert "hunter2" not in str(refused.value)


# Where settings go


def test_the_key_is_never_shown_and_not_in_the_json() -> None:
    settings = resolved(environment=KEY)
    assert settings.api_key == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.to_json())
    assert from_json(settings.to_json()).api_key is None


@pytest.mark.parametrize("ini", [{}, {"dg_agent_settings": "agent.json", "dg_test_budget": "off"}], ids=repr)
def test_plain_settings_cross_as_json_and_come_back_the_same(ini: dict[str, str]) -> None:
    settings = resolved({"dg_budget": "1m"}, NO_KEY, ini)
    assert from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_flags_are_spelled_as_their_names() -> None:
    assert [option.flag for option in OPTIONS[:2]] == ["--dg-budget", "--dg-cost-budget"]


# The key


def test_blanks_around_a_copied_key_are_dropped() -> None:
    settings = resolved(environment={"DEEPGRAM_API_KEY": f" {SECRET}\r\n", "DG_BUDGET": "5m"})
    assert (settings.api_key, settings.target) == (SECRET, "live")
    blank = resolved(environment={"DEEPGRAM_API_KEY": " \n"})
    assert (blank.api_key, blank.has_key, blank.target) == (None, False, "emulator")


@pytest.mark.parametrize("blank", ["", " \n"])
@pytest.mark.parametrize("variable", [option.environment for option in OPTIONS if option.environment is not None])
def test_a_variable_that_is_blank_is_not_set(variable: str, blank: str) -> None:
    """As a secret or an input that a job of CI is not given."""
    ini = {"dg_run_id": "x", "dg_budget": "5m", "dg_target": "live"}
    assert resolved(environment={variable: blank}, ini=ini) == resolved(ini=ini)


@pytest.mark.parametrize("key", ["two\nlines", "a b", "é", "tab\tbed"])
def test_a_key_that_can_be_none_is_refused_unseen_and_only_where_it_would_be_used(key: str) -> None:
    with pytest.raises(SettingsError, match="DEEPGRAM_API_KEY") as error:
        resolved({"dg_target": "live"}, {"DEEPGRAM_API_KEY": key})
    assert key not in str(error.value)
    assert resolved({"dg_target": "emulator"}, {"DEEPGRAM_API_KEY": key}).target == "emulator"


EMULATED_KEY, EMULATED_TOKEN = "dgemu_" + "0" * 40, "eyJraWQiOiJkZ2VtdSIsImFsZyI6IkhTMjU2In0.e30.x"


@pytest.mark.parametrize(
    ("target", "secret"), [("auto", EMULATED_KEY), ("live", EMULATED_KEY), ("live", EMULATED_TOKEN)]
)
def test_a_key_of_the_emulators_is_refused_unseen_where_the_target_is_live(target: str, secret: str) -> None:
    environment = {"DEEPGRAM_API_KEY": secret, "DG_BUDGET": "5m"}
    with pytest.raises(
        SettingsError, match=r"is a key of the emulator.* or use --dg-target=emulator.* for a rehearsal"
    ) as error:
        resolved({"dg_target": target}, environment)
    assert secret not in str(error.value)
    assert resolved({"dg_target": "emulator"}, environment).target == "emulator"
    assert resolved(environment={**environment, "DGBUDGET_ACTIVE": "run"}).target == "emulator"


def test_what_github_sets_is_for_the_run_of_a_job_and_for_none_inside_it() -> None:
    of_github = {"GITHUB_STEP_SUMMARY": "/runner/summary", "GITHUB_ACTIONS": "true"}
    run_config = resolved(environment=of_github)
    assert (run_config.step_summary, run_config.annotates) == (Path("/runner/summary"), True)
    handed_over = from_json(json.loads(json.dumps(run_config.to_json())))
    assert (handed_over.step_summary, handed_over.annotates) == (Path("/runner/summary"), True)
    for environment in (
        {**of_github, "DGBUDGET_ACTIVE": "run"},
        {},
        {"GITHUB_STEP_SUMMARY": " ", "GITHUB_ACTIONS": ""},
    ):
        other = resolved(environment=environment)
        assert (other.step_summary, other.annotates) == (None, False)


LOOPBACK, ELSEWHERE = "ws://127.0.0.1:8080/v1/agent/converse", "wss://agent.example/v1/agent/converse"


@pytest.mark.parametrize("target", ["auto", "live"])
def test_a_live_run_with_the_key_of_an_emulator_on_this_machine_is_a_rehearsal(target: str) -> None:
    environment = {"DEEPGRAM_API_KEY": EMULATED_KEY, "DG_BUDGET": "5m", "DG_AGENT_URL": LOOPBACK}
    settings = resolved({"dg_target": target}, environment)
    assert (settings.is_live, settings.recorded_target, settings.billed) == (True, "rehearsal", False)
    unbounded = resolved({"dg_target": "live"}, {"DEEPGRAM_API_KEY": EMULATED_KEY, "DG_AGENT_URL": LOOPBACK})
    with pytest.raises(SettingsError, match="needs a run budget: add --dg-budget=TIME or --dg-cost-budget=USD"):
        refuse_unbounded(unbounded)


@pytest.mark.parametrize("budget", [{"dg_budget": "5m"}, {"dg_cost_budget": "0.50"}], ids=str)
def test_a_run_budget_in_either_currency_allows_live(budget: dict[str, str]) -> None:
    refuse_unbounded(resolved({"dg_target": "live", **budget}, KEY))
    refuse_unbounded(resolved({"dg_target": "live"}, KEY, budget))


@pytest.mark.parametrize(
    ("given", "said", "currency", "amount"),
    [
        (
            {"dg_budget": "$150"},
            "--dg-budget: '$150' is an amount of money; a run budget in money is --dg-cost-budget='$150'",
            "money",
            150_000_000,
        ),
        (
            {"dg_test_budget": "$0.50"},
            "--dg-test-budget: '$0.50' is an amount of money; a test's budget in money is cost in its marker "
            "dg_budget, or test in [[path]] of dgbudget.toml",
            "money",
            500_000,
        ),
        (
            {"dg_cost_budget": "10m"},
            "--dg-cost-budget: '10m' is a time; a run budget in time is --dg-budget=10m",
            "time",
            600_000,
        ),
    ],
    ids=["money for a run", "money for a test", "a time for money"],
)
def test_the_wrong_currency_is_refused_with_the_option_that_takes_it(
    given: dict[str, str], said: str, currency: str, amount: int
) -> None:
    with pytest.raises(WrongCurrency) as error:
        resolved(given)
    assert (str(error.value), error.value.currency, error.value.amount) == (said, currency, amount)


@pytest.mark.parametrize(
    ("url", "key"), [(LOOPBACK, SECRET), (LOOPBACK, "self-hosted"), (ELSEWHERE, SECRET)], ids=["key", "any key", "far"]
)
def test_a_live_run_with_any_other_key_or_address_is_no_rehearsal(url: str, key: str) -> None:
    settings = resolved({"dg_target": "live", "dg_agent_url": url}, {"DEEPGRAM_API_KEY": key, "DG_BUDGET": "5m"})
    assert (settings.is_live, settings.recorded_target, settings.billed) == (True, "live", True)


@pytest.mark.parametrize("secret", [EMULATED_KEY, EMULATED_TOKEN])
def test_a_key_of_the_emulators_goes_to_no_other_machine(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"agent\.example/v1/agent/converse would refuse: set a Deepgram key"):
        resolved({"dg_agent_url": ELSEWHERE, "dg_target": "live"}, {"DEEPGRAM_API_KEY": secret, "DG_BUDGET": "5m"})


# Whose statement


@pytest.mark.parametrize(
    ("agent_url", "api_url", "expected"),
    [
        (DEFAULT_AGENT_URL, None, DEFAULT_API_URL),
        ("wss://api.eu.deepgram.com/v1/agent/converse", None, DEFAULT_API_URL),
        ("wss://agent.example/v1/agent/converse", None, None),
        ("wss://deepgram.com.example/x", None, None),
        ("wss://notdeepgram.com/x", None, None),
        ("wss://agent.example/v1/agent/converse", "https://api.example", "https://api.example"),
    ],
)
def test_the_key_of_somebody_elses_agent_is_not_shown_to_deepgram(
    agent_url: str, api_url: str | None, expected: str | None
) -> None:
    assert resolved({"dg_agent_url": agent_url, "dg_api_url": api_url}).api_url == expected


def test_an_api_in_plain_text_is_refused_for_a_live_run_but_on_loopback() -> None:
    with pytest.raises(SettingsError, match="use https://"):
        resolved({"dg_api_url": "http://api.example"}, BOUNDED_KEY)
    assert resolved({"dg_api_url": "http://127.0.0.1:1"}, KEY).api_url == "http://127.0.0.1:1"


def test_a_path_without_a_scheme_is_answered_with_the_url_of_that_ledger() -> None:
    with pytest.raises(SettingsError, match=r"for that file sqlite:///x\.db"):
        resolved(environment={"DG_LEDGER": "x.db"})
