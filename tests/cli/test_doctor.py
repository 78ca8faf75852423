"""``dgbudget doctor`` as a command: what it looks at, what it shows, and its exit status."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cli import doctor, main
from pytest_dgbudget.cli.checks import clients, gateway
from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.credentials import EMULATOR_KEY_PREFIX
from tests.cli.checks.configured import KEY
from tests.cli.conftest import DGBUDGET
from tests.support.emulator_process import first_line, process
from tests.support.project import Project

LIVE_ONLY = {
    *("management API", "project", "may read usage", "may read billing", "balance", "may read keys"),
    *("clock", "agent endpoint"),
}


def looked_at(project: Project, *arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Run it with --json; return its exit status, its lines by name, and all that it said."""
    ended = project.result(project.launch([*DGBUDGET, "doctor", "--json", *arguments], env=environment))
    document = json.loads(ended.output)
    assert document["ok"] == (ended.status == 0)
    return ended.status, {check["name"]: check for check in document["checks"]}, ended.output


def test_without_a_key_what_needs_one_is_skipped_and_nothing_fails(project: Project) -> None:
    begun = time.monotonic()
    status, lines, _ = looked_at(project)
    assert time.monotonic() - begun < 30
    assert status == 0
    assert {lines[name]["result"] for name in LIVE_ONLY} == {"skipped"}
    assert all("set DEEPGRAM_API_KEY" in lines[name]["to_do"] for name in LIVE_ONLY)
    needed = ("configuration", "ledger", "gateway", "redirect: websockets")
    assert {lines[name]["result"] for name in needed} == {"ok"}
    assert not (project.path / ".dgbudget").exists()


@pytest.mark.slow
def test_with_an_emulators_key_all_is_looked_at_and_no_session_opened(project: Project) -> None:
    with process("--journal", str(project.path / "journal.jsonl")) as emulator:
        where = first_line(emulator)
        given = [f"--agent-url={where['agent_url']}", f"--api-url={where['api_url']}", "--budget=10m"]
        status, lines, said = looked_at(project, *given, DEEPGRAM_API_KEY=where["api_key"])
    assert status == 0
    assert lines["project"]["found"] == f"{where['project_id']}, the key's only one"
    assert {lines[name]["result"] for name in LIVE_ONLY - {"clock"}} == {"ok"}
    assert where["api_key"] not in said
    assert (project.path / "journal.jsonl").read_text(encoding="utf-8") == ""


@pytest.mark.slow
@pytest.mark.parametrize("answers", ["refuses", "is silent"])
def test_where_nothing_can_be_reached_it_fails_within_half_a_minute(answers: str, project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if answers == "is silent" else 1
        given = [f"--agent-url=wss://127.0.0.1:{port}/v1/agent/converse", f"--api-url=http://127.0.0.1:{port}"]
        begun = time.monotonic()
        status, lines, said = looked_at(project, *given, DEEPGRAM_API_KEY=KEY)
        assert time.monotonic() - begun < 30
    assert status == 1
    assert lines["agent endpoint"]["result"] == "failed"
    assert lines["management API"]["result"] == "warning"
    assert lines["clock"]["result"] == "skipped"
    assert lines["gateway"]["result"] == "ok"
    assert KEY not in said


def test_a_configuration_that_can_not_be_read_is_a_line_of_its_own(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DG_AGENT_URL", "wss://agent.example/v1?token=private-Zt6YpL#x")
    monkeypatch.setattr(clients, "check_clients", list)
    monkeypatch.setattr(gateway, "check_gateway", lambda: Check(name="gateway", result="ok", found="starts"))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("failed   configuration              DG_AGENT_URL: ")
    assert "→ correct it in the pytest configuration" in shown
    assert "ok       gateway " in shown
    assert "private-Zt6YpL" not in shown
    monkeypatch.delenv("DG_AGENT_URL")
    (here / "dgbudget.toml").write_text("[prices]\nstandart = 0.1\n", encoding="utf-8")
    assert main(["doctor"]) == 1
    assert "standart" in capsys.readouterr().out.splitlines()[0]


def lines_of(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


@pytest.fixture
def nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "check_clients", list)
    monkeypatch.setattr(gateway, "check_gateway", lambda: Check(name="gateway", result="ok", found="starts"))


@pytest.mark.usefixtures("here", "nothing_started")
def test_what_can_not_be_looked_at_without_a_configuration_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--budget=10x"]) == 1
    lines = lines_of(capsys)
    assert lines["configuration"]["result"] == "failed"
    assert {lines[name]["result"] for name in {*LIVE_ONLY, "key", "ledger"}} == {"skipped"}


@pytest.mark.usefixtures("here", "nothing_started")
def test_a_live_run_without_a_budget_is_no_configuration_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", "--target=live"]) == 1
    line = lines_of(capsys)["configuration"]
    assert (line["result"], line["to_do"]) == ("failed", "add --budget=TIME or --cost-budget=USD")


@pytest.mark.usefixtures("here", "nothing_started")
def test_a_key_that_can_not_be_used_is_not_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DG_AGENT_URL")
    monkeypatch.setenv("DEEPGRAM_API_KEY", f"{EMULATOR_KEY_PREFIX}{'a' * 40}")
    assert main(["doctor", "--json"]) == 1
    lines = lines_of(capsys)
    assert lines["key"]["result"] == "failed"
    assert {lines[name]["found"] for name in LIVE_ONLY} == {"needs a key that can be used here"}


def test_where_programs_are_not_redirected_no_client_is_tried(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gateway, "check_gateway", lambda: Check(name="gateway", result="ok", found="starts"))
    for how in ("off", "refuse"):
        assert main(["doctor", f"--redirect={how}"]) == 0
        shown = capsys.readouterr().out
        assert (
            f"skipped  redirect                   clients of programs are not redirected here (--redirect={how})"
            in shown
        )


def test_i9_no_line_repeats_a_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a secret of any shape")
    monkeypatch.setenv("DG_APP_TOKEN", "application-token-Zw8rTq3LkPxV1mNb7s")
    monkeypatch.setenv("ANOTHER", KEY)
    said = f"a secret of any shape, {KEY}\x1b[2J at https://me:word@host/?q=1 application-token-Zw8rTq3LkPxV1mNb7s"
    (check,) = doctor._without_secrets([Check(name="x", result="failed", found=said, to_do=said)])
    assert check.found == check.to_do == "***, *** [2J at https://host/ ***"


def test_what_several_lines_need_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check(name=name, result="skipped", found="-", to_do="do it") for name in "ab"]
    assert len(list(doctor._shown_as_they_come(checks))) == 2
    assert capsys.readouterr().out.count("→ do it") == 1


def test_bad_usage_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status in ((["--nothing"], 2), (["--help"], 0)):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
        assert ended.value.code == status
    assert "example: dgbudget doctor" in capsys.readouterr().out
