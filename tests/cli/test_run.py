"""``dgbudget run``, in this process: what it is given, what it says, and the exit status that it chooses."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.cli.configuration import find_configuration
from pytest_dgbudget.cli.exit_status import exit_status
from pytest_dgbudget.cli.metered_run import CommandAttempt, name_of
from pytest_dgbudget.cli.options import add_options, belongs_to_outer_run, flag_of, resolve_options, respelled
from pytest_dgbudget.cli.summary import annotate, closing_lines, header_lines
from pytest_dgbudget.config import OPTIONS, Option
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.membership import Told
from pytest_dgbudget.errors import GatewayError, SettingsError
from pytest_dgbudget.model import Bypass, GivenUpWait, Overrun, Refusal
from pytest_dgbudget.protocol.operations import BeginAttempt, EndedAttempt, GrantedAttempt, Verdict
from pytest_dgbudget.report.document import without_document
from pytest_dgbudget.rules.attempts import attempt_figures
from tests.support.gateway import asked
from tests.support.project import Project
from tests.support.shards import report

FIGURES = attempt_figures(
    number=1,
    budget_ms=None,
    used_ms=0,
    micro_usd=0,
    cost_budget_micro_usd=None,
    estimated=False,
    forecast=None,
    turns=[],
    vendor_latencies_ms=[],
    handshakes_ms=[],
    request_ids=[],
    cut=False,
    refused=0,
)
KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"


@pytest.fixture
def configured(project: Project) -> Iterator[Path]:
    """The current directory: a folder inside a project with a configuration, and a conftest that nobody may import."""
    project.use("run_command/configured")
    folder, before = project.path / "inside", Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    yield folder
    os.chdir(before)  # who is below the project's folder at its end is killed


def given(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


def resolved(*arguments: str) -> RunConfig:
    return resolve_options(given(*arguments))


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


# Options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [o for o in OPTIONS if not o.in_ini_only], ids=lambda option: option.name)
def test_every_option_of_pytests_is_spelled_without_dg(option: Option, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == 0
    shown = capsys.readouterr().out.split()
    # There are no tests.
    assert (flag_of(option) in shown) == (option.name not in {"dg_test_budget", "dg_record", "dg_cassette_dir"})
    assert option.flag not in shown
    assert option.environment is None or f"{option.environment}." in shown or option.name == "dg_test_budget"


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == 0
    assert capsys.readouterr().out.endswith("example: dgbudget run --budget 5m -- npm test\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no program is named; example: dgbudget run --budget 5m -- npm test"),
        (["--"], "no program is named"),
        (["--bugdet=5m", "--", "true"], "unrecognized arguments: --bugdet=5m"),
        (["--test-budget=5s", "--", "true"], "unrecognized arguments: --test-budget=5s"),
        (["--record=once", "--", "true"], "unrecognized arguments: --record=once"),
        (["--budget=10 minutes", "--", "true"], "--budget: '10 minutes' is not a time; accepted: "),
        (["--budget", "--", "true"], "argument --budget: expected one argument"),
        (
            ["--target=live", "--budget=1m", "--", "true"],
            "target live needs a key: set DEEPGRAM_API_KEY, or use --target=",
        ),
        (["--target=replay", "--", "true"], "target replay plays what was recorded of tests, and a program has none"),
        (["--listen=127.0.0.1:1:2", "--", "true"], "--listen: '127.0.0.1:1:2' is no place to listen"),
    ],
)
def test_bad_usage_is_one_sentence_with_the_options_as_they_are_spelled_here(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*arguments) == 2
    printed, complaints = capsys.readouterr()
    assert complaints.startswith(f"dgbudget run: {said}")
    assert (complaints.count("\n"), printed) == (1, "")


def test_live_needs_a_budget(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert status_of("--target=live", "--", "true") == 2
    assert "add --budget=TIME or --cost-budget=USD, or use --target=emulator" in capsys.readouterr().err


def test_pytests_own_spelling_is_understood() -> None:
    """Messages of clients have it, and who copies it is not to be told off."""
    assert given("--dg-budget=5m", "--max-sessions=3").dg_budget == "5m"
    assert given("--budget=5m").dg_budget == "5m"


def test_options_in_messages_are_respelled_but_not_those_of_addopts() -> None:
    assert respelled("raise it with --dg-budget") == "raise it with --budget"
    assert respelled("--dg-budget in addopts: '5x' is not a time") == "--dg-budget in addopts: '5x' is not a time"


# The configuration of the project -------------------------------------------------------------------------------------


def test_the_pytest_configuration_is_found_from_the_current_directory(configured: Path) -> None:
    run_config = resolved()
    assert (run_config.idle_ms, run_config.max_sessions, run_config.budget_ms) == (20_000, 3, 120_000)
    assert run_config.ledger == configured.parent / ".dgbudget/ledger.db"
    assert run_config.report_dir == configured.parent / "reports"  # addopts is a configuration, too


def test_command_line_environment_and_configuration_in_this_order(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DG_BUDGET", "3m")
    assert resolved().budget_ms == 180_000
    assert resolved("--budget=4m").budget_ms == 240_000
    assert resolved("--report-dir=here").report_dir == configured / "here"
    assert resolved("--run-key", "--budget=1m").run_key == "on"


def test_only_a_budget_that_was_typed_for_this_run_turns_it_live(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert resolved().target == "emulator"
    assert "add --budget=TIME" in " ".join(map(respelled, header_lines(resolved(), None)))
    assert resolved("--budget=1m").target == "live"


def test_variables_that_hold_the_key_are_those_of_the_configuration(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (configured.parent / "pytest.ini").open("a", encoding="utf-8") as file:
        file.write("dg_key_variables = SECOND_KEY, DEEPGRAM_API_KEY\n")
    monkeypatch.setenv("SECOND_KEY", KEY)
    assert (resolved("--budget=1m").target, resolved().key_variable) == ("live", "SECOND_KEY")


@pytest.mark.parametrize("stored", ["dg_record = once", "addopts = --dg-record=once"])
def test_what_a_program_opens_is_neither_recorded_nor_replayed_whatever_is_stored(
    configured: Path, monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    (configured.parent / "pytest.ini").write_text(f"[pytest]\n{stored}\n", encoding="utf-8")
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    assert not resolved("--target=live", "--budget=1m").records


def test_finding_the_configuration_leaves_the_environment_alone(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_PLUGINS", "a_module_that_is_not_there")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--an-option-that-is-not-there")
    before = dict(os.environ)
    assert find_configuration().rootdir == configured.parent
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "text", ["[pytest]\ndg_budget", "[pytest]\nminversion = 99\n", "[pytest]\naddopts = --dg-budget"]
)
def test_a_configuration_that_can_not_be_read_is_bad_usage(
    configured: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (configured.parent / "pytest.ini").write_text(f"[pytest]\n{text}", encoding="utf-8")
    assert status_of("--", "true") == 2
    assert capsys.readouterr().err.startswith("dgbudget run: the pytest configuration can't be read: ")


def test_dgbudget_toml_is_that_of_the_rootdir_and_a_wrong_key_is_bad_usage(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (configured / "dgbudget.toml").write_text("[prices]\nadvanced = 1\n", encoding="utf-8")
    (configured.parent / "dgbudget.toml").write_text("[prices]\nstandard = 0.08\n", encoding="utf-8")
    assert resolved("--budget=1m").prices == {"standard": 80_000}
    (configured.parent / "dgbudget.toml").write_text("[prices]\nstandart = 0.08\n", encoding="utf-8")
    assert status_of("--budget=1m", "--", "true") == 2
    assert 'dgbudget.toml:2: unknown key "standart" in [prices]' in capsys.readouterr().err


def test_a_run_budget_may_be_in_money_and_the_wrong_currency_is_bad_usage(
    configured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    live = resolved("--cost-budget=0.50")
    assert (live.target, live.cost_budget_micro_usd) == ("live", 500_000)
    assert status_of("--budget=$150", "--", "true") == 2
    assert "is --cost-budget='$150'; $150 lasts about 15h20m at $0.163 a minute" in capsys.readouterr().err


def test_inside_a_run_only_what_it_is_given_itself_makes_a_command_ours(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not belongs_to_outer_run(given())
    monkeypatch.setenv("DGBUDGET_ACTIVE", "outer")
    monkeypatch.setenv("DG_BUDGET", "9m")
    monkeypatch.setenv("DG_COST_BUDGET", "9")
    assert not belongs_to_outer_run(given("--cost-budget=1"))
    assert belongs_to_outer_run(given("--idle-timeout=5s"))
    assert not belongs_to_outer_run(given("--target=emulator"))
    assert not resolved("--target=emulator").has_run_budget
    assert resolved("--budget=1m").budget_ms == 60_000


# The attempt ----------------------------------------------------------------------------------------------------------


def test_a_command_is_called_by_its_program_and_not_by_its_arguments() -> None:
    assert name_of(["/usr/bin/npm", "test", "--token=secret"]) == "npm"
    assert name_of(["\udcff"]) == "\\udcff"


def test_every_client_spends_by_the_one_attempt_until_the_program_has_ended() -> None:
    begun: list[BeginAttempt] = []

    async def begin(asked: BeginAttempt, told: Told | None = None) -> GrantedAttempt:
        begun.append(asked)
        await asyncio.sleep(0)
        if len(begun) == 1:
            raise GatewayError("not yet")
        return GrantedAttempt(id="a", number=1, budget_seconds=None, recordings=None, token="t")

    async def main() -> None:
        attempt = CommandAttempt(asked("npm"), "token")
        with pytest.raises(GatewayError):
            await attempt.find_running_test(begin)
        found = await asyncio.gather(attempt.find_running_test(begin), attempt.find_running_test(begin))
        assert [each.attempt for each in found] == ["a", "a"]
        attempt.end()
        assert (await attempt.find_running_test(begin)).attempt is None

    asyncio.run(main())
    assert begun == [asked("npm")] * 2


# What it says ---------------------------------------------------------------------------------------------------------


def test_the_header_says_that_a_program_without_a_key_gets_none(configured: Path) -> None:
    assert any("gets none in DEEPGRAM_API_KEY" in line for line in header_lines(resolved("--budget=1m"), None))
    assert not any("gets none" in line for line in header_lines(resolved("--target=emulator"), None))


def test_what_clients_met_is_said(configured: Path) -> None:
    verdict = Verdict(
        overruns=(Overrun(kind="cut", scope="run", used=60_000, allowed=60_000),),
        refusals=(Refusal(status=402, code="DGBUDGET_EXHAUSTED", reason="spent", times=3),),
        bypasses=(Bypass(host="agent.deepgram.com", path="/agent", how="refused", program="/bin/app"),),
        waits_given_up=(GivenUpWait(ms=2000, awaited="run"),),
        gateway_lost=None,
        had_clients=True,
        notes=("a note",),
        order_violations=(),
    )
    ended = EndedAttempt(figures=FIGURES, verdict=verdict, leaked=2)
    said = "\n".join(map(respelled, closing_lines(resolved("--budget=1m"), None, ended, None)))
    assert "2 sessions were still open when the program ended, and closed" in said
    assert "run budget of 1m used up, 1m used; raise it with --budget" in said
    assert "a client in app would have opened a session at agent.deepgram.com/agent past the gateway" in said
    assert "unmetered, with --redirect=warn" in said
    assert "a note" in said.splitlines()
    assert "402 DGBUDGET_EXHAUSTED: spent; 2 reconnects refused" in said
    assert "a client waited 2s for budget of the run, which other tests held, and gave up" in said
    assert "raise its opening timeout, or raise the run budget (--budget, --cost-budget)" in said


def test_a_live_run_without_a_session_says_what_its_program_may_lack(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    live, emulated = resolved("--budget=1m"), resolved("--target=emulator")
    assert any("DG_APP_TOKEN" in line for line in closing_lines(live, None, None, None))
    assert [*closing_lines(emulated, None, None, None)] == ["no session was opened (emulator)"]


# The exit status ------------------------------------------------------------------------------------------------------


def finished(*, overran: bool = False, verdict: str = "reconciled") -> Any:
    document = {"reconciliation": {"verdict": verdict}}
    return {**without_document(""), "document": document, "overran": overran}


@pytest.mark.parametrize(
    ("program", "run", "failure", "must_reconcile", "status"),
    [
        (0, None, None, False, 0),
        (9, None, None, False, 9),
        (0, finished(overran=True), None, False, 75),
        (9, finished(overran=True), "why", True, 75),
        (0, finished(verdict="pending"), None, False, 0),
        (0, finished(verdict="pending"), None, True, 1),
        (9, finished(verdict="pending"), None, True, 9),
        (0, finished(), None, True, 0),
        (0, without_document("why"), None, True, 1),
        (0, finished(), "no gateway", False, 1),
        (143, finished(), "no gateway", False, 143),
    ],
)
def test_the_exit_status_and_why_it_is_not_the_programs(
    program: int, run: Any, failure: str | None, must_reconcile: bool, status: int
) -> None:
    chosen, why = exit_status(program, run, failure, must_reconcile=must_reconcile)
    assert chosen == status
    assert (why is None) == (chosen == program)


@pytest.mark.parametrize("is_folder", [True, False], ids=["unreadable", "not UTF-8"])
def test_a_configuration_that_is_no_text_or_can_not_be_opened_is_bad_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_bytes(b"[pytest]\n# \xff\n")
    if is_folder:
        monkeypatch.setattr("builtins.open", _refused)
    with pytest.raises(SettingsError, match="the pytest configuration can't be read"):
        find_configuration()


def _refused(*_: object, **__: object) -> object:
    raise PermissionError(13, "Permission denied", "pytest.ini")


def test_an_overrun_is_annotated_on_stderr_with_options_as_they_are_spelled_here(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = report("run", "a")
    overrun = {"scope": "run", "currency": "time", "label": "", "used": 59.9, "allowed": 60.0}
    entry: Any = document["tests"][0]
    entry.update(nodeid="npm", verdict="overrun", failing=True, cut=True, overrun=overrun)
    annotate(document)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "::error title=Voice agent budget (live%2C billed)::npm: run budget of 1m used up, 59.9s used; raise it with "
        "--budget\n"
    )
