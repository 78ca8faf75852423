"""Options: from wherever they are given, with one precedence, and a clear word where they are wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.slow import slow
from tests.support.vendor import KEY, Vendor

GIVEN: dict[str, Any] = {
    "dg_budget": ("1h2m3s", "budget_ms", 3_723_000),
    "dg_cost_budget": ("$0.50", "cost_budget_micro_usd", 500_000),
    "dg_test_budget": ("off", "test_budget_ms", None),
    "dg_idle_timeout": ("1.5s", "idle_ms", 1500),
    "dg_max_sessions": ("7", "max_sessions", 7),
    "dg_on_exhausted": ("skip", "on_exhausted", "skip"),
    "dg_target": ("emulator", "target", "emulator"),
    "dg_agent_url": ("wss://agent.example/v1/agent/converse", "agent_url", "wss://agent.example/v1/agent/converse"),
    "dg_api_url": ("https://api.example", "api_url", "https://api.example"),
    "dg_project": ("0f8fad5b", "project", "0f8fad5b"),
    "dg_reconcile": ("require", "reconcile", "require"),
    "dg_reconcile_timeout": ("2.5s", "reconcile_timeout_ms", 2500),
    "dg_tolerance": ("500ms,2.5%", "tolerance_share", 0.025),
    "dg_drift": ("1.5%", "drift_share", 0.015),
    "dg_credit": ("require", "credit", "require"),
    "dg_run_key": ("require", "run_key", "require"),
    "dg_run_key_scopes": ("usage:write, agent:write", "run_key_scopes", ["usage:write", "agent:write"]),
    "dg_vendor_grace": ("1m", "vendor_grace_ms", 60_000),
    "dg_junit_attachment": ("absolute", "junit_attachment", "absolute"),
    "dg_junit_properties": ("suite", "junit_properties", "suite"),
    "dg_run_id": ("my.run-1", "run_id", "my.run-1"),
    "dg_ledger": ("sqlite:///else/where.db", "ledger", "{root}/else/where.db"),
    "dg_report_dir": ("reports", "report_dir", "{root}/reports"),
    "dg_agent_settings": ("agent.json", "agent_settings", "{root}/agent.json"),
    "dg_scenario": ("orders.toml::refund", "scenario", "{root}/orders.toml::refund"),
    "dg_pace": ("max", "pace", "max"),
    "dg_record": ("once", "record", "once"),
    "dg_cassette_ignore": ("Settings/agent", "cassette_ignore", ["Settings/agent"]),
    "dg_cassette_audio": ("exact", "cassette_audio", "exact"),
    "dg_cassette_dir": ("tapes", "cassette_dir", "{root}/tapes"),
    "dg_check_protocol": ("fail", "check_protocol", "fail"),
    "dg_regression": ("fail", "regression", "fail"),
    "dg_leaks": ("fail", "leaks", "fail"),
    "dg_artifacts": ("always", "artifacts", "always"),
    "dg_artifacts_audio": ("true", "artifacts_audio", True),
    "dg_scrub": ("[0-9]{6,}", "scrub", ["[0-9]{6,}"]),
    "dg_cassette_max_age": ("90d fail", "cassette_max_age_ms", 7_776_000_000),
    "dg_keep_key": ("true", "keep_key", True),
    "dg_redirect": ("warn", "redirect", "warn"),
    "dg_redirect_children": ("false", "redirect_children", False),
    "dg_listen": ("localhost:8080", "listen", "localhost:8080"),
    "dg_key_variables": ("KEY_A, KEY_B", "key_variables", ["KEY_A", "KEY_B"]),
    "dg_pass_other": ("true", "pass_other", True),
    "dg_allowed_hosts": ("app:*, db:80", "allowed_hosts", ["app:*", "db:80"]),
    "dg_overrun_exit_code": ("9", "overrun_exit_code", 9),
}
INI_ONLY = {
    "dg_agent_settings",
    "dg_allowed_hosts",
    "dg_artifacts",
    "dg_artifacts_audio",
    "dg_cassette_audio",
    "dg_cassette_ignore",
    "dg_cassette_max_age",
    "dg_check_protocol",
    "dg_credit",
    "dg_drift",
    "dg_junit_attachment",
    "dg_junit_properties",
    "dg_keep_key",
    "dg_leaks",
    "dg_key_variables",
    "dg_overrun_exit_code",
    "dg_pass_other",
    "dg_redirect_children",
    "dg_run_key_scopes",
    "dg_scrub",
    "dg_vendor_grace",
}
BY_FLAG = {name: text for name, (text, _, _) in GIVEN.items() if name not in INI_ONLY}
BY_VARIABLE = {
    "DG_BUDGET": "dg_budget",
    "DG_COST_BUDGET": "dg_cost_budget",
    "DG_TARGET": "dg_target",
    "DG_AGENT_URL": "dg_agent_url",
    "DG_API_URL": "dg_api_url",
    "DEEPGRAM_PROJECT_ID": "dg_project",
    "DG_RUN_ID": "dg_run_id",
    "DG_LISTEN": "dg_listen",
    "DG_LEDGER": "dg_ledger",
}


Resolve = Callable[..., dict[str, Any]]


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


@pytest.fixture
def resolved(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Collect with these arguments; return what was resolved."""
    monkeypatch.delenv("DG_AGENT_URL")
    monkeypatch.delenv("DG_API_URL")
    Project(pytester.path).use("options/resolved")
    pytester.makepyfile("def test_it(): pass")

    def resolve(*arguments: str) -> dict[str, Any]:
        result = pytester.runpytest_inprocess("--collect-only", "-q", *arguments)
        assert result.ret == 0, str(result.stdout) + str(result.stderr)
        document: dict[str, Any] = json.loads((pytester.path / "resolved.json").read_text(encoding="utf-8"))
        return document

    return resolve


def check(resolved: dict[str, Any], names: Any, root: Path) -> None:
    for name in names:
        _, attribute, value = GIVEN[name]
        expected = value.format(root=root) if isinstance(value, str) else value
        assert resolved[attribute] == expected, name


def ini(names: Any) -> str:
    return "".join(f"{name} = {GIVEN[name][0]}\n" for name in names)


def toml(names: Any, *, native: bool = False) -> str:
    own_types = {"dg_max_sessions": "7", "dg_keep_key": "true", "dg_overrun_exit_code": "9", "dg_idle_timeout": "1.5"}
    texts = {name: f'"{GIVEN[name][0]}"' for name in names}
    texts.update(own_types if native else {})
    return "".join(f"{name} = {text}\n" for name, text in texts.items())


def test_by_the_command_line(resolved: Resolve, pytester: pytest.Pytester) -> None:
    check(resolved(*(f"{flag(name)}={text}" for name, text in BY_FLAG.items())), BY_FLAG, pytester.path)


@pytest.mark.parametrize(
    ("argument", "found"), [("--dg-run-key", "on"), ("--dg-run-key=require", "require"), ("--dg-run-key=off", "off")]
)
def test_a_run_key_is_made_by_the_flag_alone(resolved: Resolve, argument: str, found: str) -> None:
    assert resolved(argument, "--dg-budget=1m")["run_key"] == found


def test_a_path_behind_the_bare_flag_is_an_error_that_says_how_to_write_it(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess("--dg-run-key", path.name, "--dg-budget=1m")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is not one of off, on, require; before a path, write --dg-run-key=on*"])


@pytest.mark.parametrize(
    ("argument", "prices", "said"),
    [
        ("--dg-budget=$150", "", "*--dg-cost-budget='$150'; $150 lasts about 15h20m at $0.163 a minute, the highest *"),
        ("--dg-budget=$150", "[prices]\nadvanced = 0.5\n", "*$150 lasts about 5h at $0.50 a minute*"),
        ("--dg-test-budget=$1", "", "*is cost in its marker dg_budget*$1 lasts about 6m8s at*"),
        ("--dg-cost-budget=10m", "", "*is --dg-budget=10m; 10m costs up to $1.63 at $0.163 a minute*"),
        ("--dg-budget=$150", "[prices]\nbasic = 1\n", '*dgbudget.toml:2: unknown key "basic" in *prices*'),
    ],
)
def test_the_wrong_currency_is_an_error_that_says_what_it_comes_to(
    pytester: pytest.Pytester, argument: str, prices: str, said: str
) -> None:
    (pytester.path / "dgbudget.toml").write_text(prices, encoding="utf-8")
    result = pytester.runpytest_inprocess(argument, "--dg-target=emulator")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\n" + ini(GIVEN)),
        ("tox.ini", "[pytest]\n" + ini(GIVEN)),
        ("setup.cfg", "[tool:pytest]\n" + ini(GIVEN)),
        ("pyproject.toml", "[tool.pytest.ini_options]\n" + toml(GIVEN)),
        pytest.param(
            "pyproject.toml",
            "[tool.pytest]\n" + toml(GIVEN, native=True),
            marks=pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="TOML's own types"),
        ),
        pytest.param(
            "pytest.toml",
            "[pytest]\n" + toml(GIVEN, native=True),
            marks=pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="TOML's own types"),
        ),
    ],
    ids=["pytest.ini", "tox.ini", "setup.cfg", "ini_options", "tool.pytest", "pytest.toml"],
)
def test_by_a_configuration_file(resolved: Resolve, pytester: pytest.Pytester, file: str, text: str) -> None:
    (pytester.path / file).write_text(text, encoding="utf-8")
    check(resolved(), GIVEN, pytester.path)


def test_by_override_ini(resolved: Resolve, pytester: pytest.Pytester) -> None:
    arguments = [part for name, (text, _, _) in GIVEN.items() for part in ("-o", f"{name}={text}")]
    check(resolved(*arguments), GIVEN, pytester.path)


def test_by_the_environment(resolved: Resolve, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, name in BY_VARIABLE.items():
        monkeypatch.setenv(variable, GIVEN[name][0])
    check(resolved(), BY_VARIABLE.values(), pytester.path)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    resolved: Resolve, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\ndg_budget = 1s\ndg_run_id = file\ndg_report_dir = file\n")
    monkeypatch.setenv("DG_BUDGET", "2s")
    monkeypatch.setenv("DG_RUN_ID", "environment")
    settings = resolved("--dg-budget=3s")
    assert (settings["budget_ms"], settings["run_id"]) == (3000, "environment")
    assert settings["report_dir"] == str(pytester.path / "file")


@pytest.mark.usefixtures("bare_start")
def test_the_defaults_are_the_documented_ones(resolved: Resolve, pytester: pytest.Pytester) -> None:
    settings = resolved()
    assert settings.pop("run_id")
    assert settings == {
        "budget_ms": None,
        "cost_budget_micro_usd": None,
        "test_budget_ms": 60_000,
        "idle_ms": 30_000,
        "max_sessions": 15,
        "on_exhausted": "fail",
        "target": "emulator",
        "target_given": False,
        "pace": "vendor",
        "cassette_ignore": [],
        "cassette_audio": "length",
        "check_protocol": "warn",
        "redirect": "clients",
        "redirect_children": True,
        "listen": None,
        "key_variable": "DEEPGRAM_API_KEY",
        "key_variables": ["DEEPGRAM_API_KEY"],
        "is_rehearsal": False,
        "not_live": None,
        "ignores_agent_url": False,
        "agent_url": "wss://agent.deepgram.com/v1/agent/converse",
        "api_url": "https://api.deepgram.com",
        "project": None,
        "credit": "warn",
        "reconcile": "warn",
        "reconcile_timeout_ms": 30_000,
        "tolerance_ms": 2000,
        "tolerance_share": 0.05,
        "drift_share": 0.005,
        "run_key": "off",
        "run_key_scopes": ["usage:write"],
        "vendor_grace_ms": 600_000,
        "junit_attachment": "relative",
        "junit_properties": "testcase",
        "ledger": str(pytester.path / ".dgbudget/ledger.db"),
        "ledger_given": False,
        "state_dir": str(pytester.path / ".dgbudget"),
        "report_dir": str(pytester.path / ".dgbudget/report"),
        "step_summary": None,
        "annotates": False,
        "agent_settings": None,
        "artifacts": "on-failure",
        "artifacts_audio": False,
        "scrub": [],
        "record": "none",
        "record_given": False,
        "cassette_dir": None,
        "cassette_max_age_ms": None,
        "cassette_max_age_fails": False,
        "recording_dir": None,
        "scenario": None,
        "regression": "warn",
        "leaks": "report",
        "keep_key": False,
        "pass_other": False,
        "allowed_hosts": ["host.docker.internal"],
        "overrun_exit_code": 1,
        "windows": [],
        "require_history": False,
        "paths": [],
        "project_sessions": None,
        "prices": {},
        "prices_as_of": None,
        "has_key": False,
        "has": False,
    }


@pytest.mark.slow
def test_a_report_dir_by_hand_is_relative_to_the_current_directory_otherwise_to_the_rootdir(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\ndg_budget = 1m\n")
    project.write("sub/test_it.py", "def test_it(): pass\n")
    for arguments, expected in (((), ".dgbudget/report"), (("--dg-report-dir=out",), "sub/out")):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=project.path / "sub",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert (project.path / expected / "usage.json").exists()


# Bad values ---------------------------------------------------------------------------------------------------------

TIMES = ["-1s", "nan", "inf", "10 minutes", "5s5m", "", " ", "1e3", "10S", "1,5s"]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Resolve one setting as pytest does, and return what it says."""
    from pytest_dgbudget.config.resolve import resolve
    from pytest_dgbudget.errors import SettingsError

    path = tmp_path_factory.mktemp("root")

    def refuse(name: str, text: str, *, where: str) -> str:
        given: dict[str, Any] = {"command_line": {}, "environment": {}, "ini": {}, where: {name: text}}
        with pytest.raises(SettingsError) as caught:
            resolve(**given, rootdir=path, current_dir=path)
        return str(caught.value)

    return refuse


@pytest.mark.parametrize("text", TIMES)
@pytest.mark.parametrize("name", ["dg_budget", "dg_test_budget", "dg_idle_timeout"])
def test_a_bad_time_is_refused_with_the_accepted_forms(refusals: Any, name: str, text: str) -> None:
    said = refusals(name, text, where="command_line")
    assert said.startswith(f"{flag(name)}: ")
    assert all(form in said for form in ("500ms", "90s", "10m", "1h30m", "1h2m3s", "number of seconds"))


BAD = {
    "dg_cost_budget": (["", "$", " ", "-1", "nan", "1e3", "5 USD"], "such as 0.50, 5 or $150"),
    "dg_max_sessions": (["0", "-1", "1.5", "many", ""], "whole number"),
    "dg_on_exhausted": (["explode", ""], "fail, skip, stop"),
    "dg_target": (["mars", "LIVE", ""], "live, emulator"),
    "dg_agent_url": (["agent.example", "https://agent.example", "wss://", "wss://user:pw@agent.example/x"], "wss://"),
    "dg_run_id": (["", "a b", "x" * 101, "ü", "a/b"], "A-Z a-z 0-9"),
    "dg_ledger": (["ledger.db", "mysql://x", "sqlite:///"], "sqlite:///PATH"),
    "dg_report_dir": ([""], "empty"),
    "dg_agent_settings": ([""], "empty"),
    "dg_scenario": (["", "::refund"], "names no file"),
    "dg_leaks": (["", "off"], "report, fail"),
    "dg_artifacts": (["", "on", "failure"], "off, on-failure, always"),
    "dg_artifacts_audio": (["maybe", ""], "true nor false"),
    "dg_scrub": (["a+\n(b"], "line 2, '(b', is no regular expression: missing ), unterminated subpattern"),
    "dg_cassette_max_age": (["90d never", "90d fail now"], "90d fail"),
    "dg_keep_key": (["maybe", ""], "true nor false"),
    "dg_redirect": (["", "on"], "clients, refuse, warn, off"),
    "dg_redirect_children": (["maybe", ""], "true nor false"),
    "dg_listen": ([":", ":0", "a b"], "ADDRESS:PORT"),
    "dg_key_variables": (["", "1A", "A B"], "separated by commas"),
    "dg_pass_other": (["maybe", ""], "true nor false"),
    "dg_allowed_hosts": (["*", "app:", "app:x", "http://app"], "NAME:PORT, NAME:*"),
    "dg_overrun_exit_code": (["0", "256", "-1", "x"], "1 to 255"),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (texts, _) in BAD.items() for text in texts])
def test_a_bad_value_is_refused_with_what_is_accepted(refusals: Any, name: str, text: str) -> None:
    where, named = ("ini", f"ini {name}: ") if name in INI_ONLY else ("command_line", f"{flag(name)}: ")
    said = refusals(name, text, where=where)
    assert said.startswith(named)
    assert BAD[name][1] in said


@pytest.mark.parametrize(
    ("arguments", "env", "named"),
    [
        slow(["--dg-budget=10 minutes"], {}, "--dg-budget"),
        slow(["-o", "dg_max_sessions=0"], {}, "ini dg_max_sessions"),
        (["-n2", "--dg-budget=-1"], {}, "--dg-budget"),
        ([], {"DG_BUDGET": "5s5m"}, "DG_BUDGET"),
    ],
)
def test_a_bad_value_ends_pytest_with_4_and_one_message(
    project: Project, arguments: list[str], env: dict[str, str], named: str
) -> None:
    project.write("test_it.py", "def test_it(): pass\n")
    result = project.run(*arguments, env=env)
    assert result.status == 4, result.output
    assert re.search(f"^ERROR: pytest-dgbudget: {re.escape(named)}: ", result.output, re.MULTILINE), result.output
    assert "Traceback" not in result.output
    assert not (project.path / ".dgbudget").exists()


@pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="TOML's own types")
def test_a_toml_value_of_a_wrong_type_ends_pytest_with_4_and_names_the_key(project: Project) -> None:
    (project.path / "pytest.ini").unlink()
    project.write("pytest.toml", "[pytest]\ndg_budget = [1, 2]\n")
    project.write("test_it.py", "def test_it(): pass\n")
    result = project.run()
    assert result.status == 4, result.output
    assert "dg_budget" in result.output
    assert "Traceback" not in result.output


# dgbudget.toml -------------------------------------------------------------------------------------------------------

WRONG_KEY = "[prices]\nas_of = 2026-11-01\nstandart = 0.075\n"
USES_VOICE_AGENT = "def test_it(voice_agent): pass\n"


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DG_AGENT_URL")
    monkeypatch.delenv("DG_API_URL")


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("test", "arguments"),
    [("def test_it(): pass\n", ["--dg-budget=5m"]), slow(USES_VOICE_AGENT, []), slow(USES_VOICE_AGENT, ["-n2"])],
)
def test_a_wrong_key_in_dgbudget_toml_ends_pytest_with_4_and_names_its_line(
    project: Project, test: str, arguments: list[str]
) -> None:
    project.write("dgbudget.toml", WRONG_KEY)
    project.write("test_it.py", test)
    result = project.run(*arguments)
    assert result.status == 4, result.output
    expected = 'pytest-dgbudget: dgbudget.toml:3: unknown key "standart" in [prices]; did you mean "standard"? valid: '
    assert expected in result.output
    assert not (project.path / ".dgbudget").exists()


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.usefixtures("bare_start")
def test_where_nothing_asks_for_us_dgbudget_toml_is_not_read(project: Project) -> None:
    project.write("dgbudget.toml", WRONG_KEY)
    project.write("test_it.py", "def test_it(): pass\n")
    assert project.run().status == 0


# dg_agent_settings --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [("agent.json", '{"agent": {"greeting": "own"}}'), ("agent.toml", '[agent]\ngreeting = "own"\n')],
)
def test_the_agent_settings_file_is_relative_to_the_rootdir(
    project: Project, vendor: Vendor, name: str, text: str
) -> None:
    project.write("pytest.ini", f"[pytest]\ndg_agent_settings = conf/{name}\n")
    project.write(f"conf/{name}", text)
    project.use("options/test_uses.py")
    project.write("conftest.py", "import os\n\nos.chdir('conf')\n")
    result = project.run("--dg-budget=5m", env=vendor.environ)
    assert result.status == 0, result.output
    (seen,) = vendor.wait_closed(1)
    assert seen.settings is not None
    assert seen.settings["agent"] == {"greeting": "own"}


@pytest.mark.slow
def test_a_bad_agent_settings_file_fails_connect_and_names_the_file(project: Project, vendor: Vendor) -> None:
    project.write("pytest.ini", "[pytest]\ndg_agent_settings = missing.json\n")
    project.use("options/test_uses.py")
    result = project.run("--dg-budget=5m", env=vendor.environ)
    assert result.status == 1, result.output
    assert "SettingsError: dg_agent_settings: " in result.output
    assert "missing.json can't be read" in result.output
    assert vendor.connections == []


# dg_record ----------------------------------------------------------------------------------------------------------

ONE_TEST = "def test_it(): pass\n"


@pytest.mark.parametrize("how", ["once", "rewrite"])
@pytest.mark.parametrize("target", [(), ("--dg-target=emulator",)], ids=["auto", "emulator"])
def test_to_record_what_is_not_live_is_a_usage_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str, target: tuple[str, ...]
) -> None:
    pytester.makepyfile(ONE_TEST)
    result = pytester.runpytest_inprocess(f"--dg-record={how}", *target)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            f"ERROR: pytest-dgbudget: --dg-record={how} records live sessions only, and the target is emulator: add "
            "--dg-target=live --dg-budget=TIME, or leave it out"
        ]
    )
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--dg-record={how}")
    assert pytester.runpytest_inprocess(*target).ret == pytest.ExitCode.USAGE_ERROR
    # A pytest that a test starts has not been asked itself.
    monkeypatch.setenv("DGBUDGET_ACTIVE", "the-outer-run")
    assert pytester.runpytest_inprocess(*target).ret == pytest.ExitCode.OK


@pytest.mark.parametrize("stored", ["dg_record = once", "addopts = --dg-record=once"])
def test_a_stored_dg_record_is_ignored_where_nothing_is_live_and_the_header_says_so(
    pytester: pytest.Pytester, stored: str
) -> None:
    pytester.makeini(f"[pytest]\n{stored}\n")
    pytester.makepyfile(ONE_TEST)
    result = pytester.runpytest_inprocess("--dg-target=emulator")
    assert result.ret == pytest.ExitCode.OK
    said = "dgbudget: dg_record = once is ignored: the target is emulator, and only live sessions are recorded"
    result.stdout.fnmatch_lines([said])


# dg_keep_key --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["false", slow("true")])
def test_two_interleaved_tests_in_one_process_are_told_of_dg_keep_key(project: Project, keep: str) -> None:
    project.use("options/interleaved")
    project.write("test_it.py", "def test_1(voice_agent): pass\ndef test_2(voice_agent): pass\n")
    result = project.run("-o", f"dg_keep_key={keep}")
    assert result.status == 0, result.output
    said = (project.path / "said.txt").read_text(encoding="utf-8")
    if keep == "true":
        assert said == ""
    else:
        assert said.startswith("DgBudgetError: ")
        assert said.count("\n") == 0
        assert "dg_keep_key = true" in said
    assert {test["nodeid"] for test in result.usage["tests"]} == {"test_it.py::test_1", "test_it.py::test_2"}


def test_keep_key_leaves_the_key_alone(project: Project, vendor: Vendor) -> None:
    project.use("options/test_keep_key.py")
    project.write("key.txt", KEY)
    result = project.run("-o", "dg_keep_key=true", "--dg-budget=5m", "--dg-run-id=kept", env=vendor.environ)
    assert result.status == 0, result.output


def test_every_option_is_tested_here() -> None:
    from pytest_dgbudget.config import OPTIONS

    assert {option.name for option in OPTIONS} == GIVEN.keys()
    assert {option.name for option in OPTIONS if option.in_ini_only} == INI_ONLY
    assert {option.environment: option.name for option in OPTIONS if option.environment} == BY_VARIABLE
    assert not {name for name in os.environ if name in BY_VARIABLE} - {"DG_AGENT_URL", "DG_API_URL"}
