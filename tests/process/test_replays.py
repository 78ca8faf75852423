"""Replays over real processes: of what was recorded in a rehearsal of a live run."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent
from pytest_dgbudget.cassette.store import cassettes_in, folder_of_test, write_cassettes
from pytest_dgbudget.instants import epoch_ms
from tests.support.ledger import rows_of
from tests.support.processes import wait_until
from tests.support.project import Project, Result
from tests.support.rehearsal import Rehearsal, rehearsal
from tests.support.slow import slow

QUICK = ("--dg-reconcile=off", "--dg-regression=off")
REPLAY = (*QUICK, "--dg-target=replay", "--dg-pace=max")
REWRITE = (*QUICK, "--dg-record=rewrite")


@pytest.fixture(scope="module")
def vendor() -> Iterator[Rehearsal]:
    with rehearsal("--pace", "max") as running:
        yield running


@pytest.fixture(scope="module")
def recorded(vendor: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cassettes of a project's tests."""
    project = Project(tmp_path_factory.mktemp("recorded"))
    project.use("replays/test_talks.py")
    result = project.run(*REWRITE, "-k", "not is_refused", env=vendor.environ)
    assert result.status == 0, result.output
    yield project.path / "cassettes"
    project.end()


@pytest.fixture
def talks(project: Project, recorded: Path) -> Project:
    """A project with cassettes."""
    project.use("replays/test_talks.py")
    shutil.copytree(recorded, project.path / "cassettes")
    return project


def replayed(project: Project, test: str, *arguments: str, **env: str) -> Result:
    return project.run(*REPLAY, *arguments, "-k", test, env=env)


def session_of(result: Result) -> dict[str, Any]:
    (session,) = result.usage["sessions"]
    return dict(session)


# What it takes ------------------------------------------------------------------------------------------------------


def test_a_replay_needs_no_key_and_no_budget_and_takes_nothing(talks: Project) -> None:
    result = replayed(talks, "test_ours", "--dg-budget=0", "--dg-test-budget=0")
    assert result.status == 0, result.output
    session = session_of(result)
    assert (session["target"], session["billed"], session["seconds"], session["cost_usd"]) == ("replay", False, 0, 0)
    assert session["forecast_seconds"] > 0
    assert (session["closed_by"], session["close_code"]) == ("client", 1000)
    assert result.usage["run"]["used_seconds"] == 0
    assert rows_of(talks.path, "SELECT lease.ms, how, lease_end.ms FROM lease JOIN lease_end ON lease = lease.id") == [
        (0, "settled", 0)
    ]


@pytest.mark.parametrize("workers", ["-n0", slow("-n2")])
def test_whoever_recorded_a_session_replays_it(talks: Project, workers: str) -> None:
    result = talks.run(*REPLAY, workers)
    assert result.status == 0, result.output
    assert {session["target"] for session in result.usage["sessions"]} == {"replay"}
    assert len(result.usage["sessions"]) == 12
    ids = [session["request_id"] for session in result.usage["sessions"]]
    assert len(set(ids)) == len(ids), "request ids are fresh"


def test_of_two_sessions_at_once_each_has_the_cassette_of_its_settings(talks: Project) -> None:
    result = replayed(talks, "test_two_at_once", SWAPS="yes")
    assert result.status == 0, result.output


@pytest.mark.slow
def test_a_rerun_has_all_cassettes_again(talks: Project) -> None:
    result = replayed(talks, "test_passes_the_second_time", "--reruns=1", FAILS="yes")
    assert result.status == 0, result.output
    assert [session["attempt"] for session in result.usage["sessions"]] == [1, 2]


# What is not as it was recorded -------------------------------------------------------------------------------------


def test_other_words_fail_the_test_with_the_difference_and_what_to_do(talks: Project) -> None:
    result = replayed(talks, "test_ours", SAID="Where is my parcel?")
    assert result.status == 1, result.output
    for line in (
        "CassetteMismatch: The client's InjectUserMessage",
        "InjectUserMessage/content\n",
        'expected "Where is my order?"\n',
        'sent     "Where is my parcel?"\n',
        "session.jsonl, line ",
        "record it again with pytest test_talks.py::test_ours --dg-target=live --dg-record=rewrite --dg-budget=TIME; ",
        "or, if InjectUserMessage/content may change, name it in dg_cassette_ignore",
    ):
        assert line in result.output
    session = session_of(result)
    assert (session["closed_by"], session["close_code"]) == ("server", 4409)
    assert (session["forecast_seconds"], session["replay"]["saved_seconds"], session["replay"]["saved_usd"]) == (
        0,
        0,
        0,
    )
    assert result.usage["run"]["saved_seconds"] == 0
    assert "replayed 1 session from cassettes, not billed; 1 session did not match its cassette" in result.output
    (mismatch,) = rows_of(talks.path, "SELECT mismatch FROM usage")[0]
    assert json.loads(mismatch)["cassette"].startswith("cassettes/test_talks")


def test_a_test_fails_for_what_its_application_sent_whatever_it_caught(talks: Project) -> None:
    began = time.monotonic()
    result = replayed(talks, "test_raw", SAID="Where is my parcel?")
    assert time.monotonic() - began < 30
    assert result.outcomes() == {"test_raw": "failed"}, result.output
    code, reason = json.loads((talks.path / "closed").read_text())
    assert code == 4409
    assert "InjectUserMessage" in reason
    assert 'sent     "Where is my parcel?"' in result.output


@pytest.mark.slow
def test_what_may_change_fails_nothing(talks: Project) -> None:
    ini = "-odg_cassette_ignore=Settings/agent/think/prompt"
    result = replayed(talks, "test_ignores", ini, SAID="Where is my parcel?", PROMPT="Be verbose.")
    assert result.status == 0, result.output


@pytest.mark.slow
def test_settings_of_no_cassette_fail_the_test_with_the_nearest_ones(talks: Project) -> None:
    result = replayed(talks, "test_ours", PROMPT="Be verbose.")
    assert result.outcomes() == {"test_ours": "failed"}, result.output
    assert "Settings/agent/think/prompt" in result.output
    assert 'sent     "Be verbose."' in result.output


def test_a_client_that_leaves_before_it_has_said_all_fails_its_test(talks: Project) -> None:
    result = replayed(talks, "test_leaves_early", LEAVES="yes")
    assert result.outcomes() == {"test_leaves_early": "failed"}, result.output
    assert "The client closed before it had sent InjectUserMessage" in result.output


@pytest.mark.slow
def test_a_session_more_than_there_are_cassettes_is_refused(talks: Project) -> None:
    result = replayed(talks, "test_sessions", SESSIONS="2")
    assert result.status == 1, result.output
    assert "its other sessions use 1 cassette, all that cassettes/test_talks" in result.output
    assert len(result.usage["sessions"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"SAID": "Where is my parcel?"}, {"PROMPT": "Be verbose."}])
@pytest.mark.parametrize("target", ["replay", "live"])
def test_after_a_mismatch_a_client_that_reconnects_is_neither_replayed_nor_dialled(
    talks: Project, vendor: Rehearsal, target: str, other: dict[str, str]
) -> None:
    before = len(vendor.rows())
    options = REPLAY if target == "replay" else (*QUICK, "--dg-record=once")
    env = vendor.environ if target == "live" else {}
    result = talks.run(*options, "-k", "test_reconnects", env={**env, **other})
    assert result.outcomes() == {"test_reconnects": "failed"}, result.output
    assert [each["target"] for each in result.usage["sessions"]] == ["replay"]
    status, answer = json.loads((talks.path / "refused").read_text())
    assert (status, answer["err_code"]) == (409, "DGBUDGET_MISMATCH")
    assert "did not match its cassette (cassettes/test_talks" in answer["err_msg"]
    assert len(vendor.rows()) == before


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["max", "vendor"])
def test_a_client_that_says_nothing_more_is_not_waited_for(talks: Project, pace: str) -> None:
    result = talks.run(*REPLAY, f"--dg-pace={pace}", "-k", "test_hangs", env={"HANGS": "yes"})
    assert result.outcomes() == {"test_hangs": "failed"}, result.output
    assert "CassetteMismatch" in result.output


@pytest.mark.slow
def test_tests_without_a_cassette_are_named_whatever_becomes_of_them(talks: Project) -> None:
    result = replayed(talks, "test_is_refused")
    assert result.outcomes() == {"test_is_refused": "passed"}, result.output
    assert "1 test lacked a cassette: test_talks.py::test_is_refused\n" in result.output
    assert "1 test lacked a cassette: test_talks.py::test_is_refused" in result.usage["notices"]


@pytest.mark.slow
def test_cassettes_that_a_passing_test_did_not_use_are_counted(talks: Project) -> None:
    (folder,) = talks.path.glob("cassettes/*test_sessions*")
    write_cassettes(folder, cassettes_in(folder) * 3)
    result = replayed(talks, "test_sessions")
    assert result.status == 0, result.output
    notice = "test_talks.py::test_sessions: 2 of its 3 cassettes were not used"
    assert f"{notice}\n" in result.output
    assert notice in result.usage["notices"]


@pytest.mark.slow
@pytest.mark.parametrize("test", ["test_ours", "test_raw"])
def test_a_cassette_that_cant_be_read_fails_its_test_with_what_to_do(talks: Project, test: str) -> None:
    (folder,) = talks.path.glob(f"cassettes/*{test}-*/1")
    (folder / "session.jsonl").write_text("{\n")
    result = replayed(talks, test)
    assert result.outcomes() == {test: "failed"}, result.output
    assert "this test has cassettes, but not all can be read: cassettes/test_talks" in result.output
    assert "session.jsonl, line 1: Expecting property name enclosed in double quotes" in result.output
    command = f"pytest test_talks.py::{test} --dg-target=live --dg-record=rewrite --dg-budget=TIME"
    to_do = f"if that file is damaged, restore it from version control, or record it again with {command}"
    assert to_do in result.output


@pytest.mark.slow
@pytest.mark.parametrize("test", ["test_fails_in_its_session", "test_leaves_it_open"])
def test_what_an_interrupted_test_left_over_is_no_mismatch(talks: Project, test: str) -> None:
    result = replayed(talks, test, INTERRUPTS="yes")
    assert result.status == 2, result.output
    assert result.usage["run"]["verdict"] == "interrupted"
    assert session_of(result)["replay"] is None
    assert "did not match" not in result.output


@pytest.mark.slow
@pytest.mark.parametrize("test", ["test_fails_in_its_session", "test_leaves_it_open"])
def test_what_a_test_left_over_that_failed_by_itself_is_not_said_beside_its_failure(talks: Project, test: str) -> None:
    result = replayed(talks, test, FAILS="yes")
    assert result.outcomes() == {test: "failed"}, result.output
    assert "it failed by itself" in result.output
    assert "1 failed" in result.output
    assert "1 error" not in result.output
    assert "record it anew" not in result.output


@pytest.mark.slow
def test_a_killed_pytest_leaves_nothing_of_a_replay(talks: Project) -> None:
    """What is left is looked for where the project ends."""
    running = talks.start(*REPLAY, "-k", "test_hangs", env={"HANGS": "yes"})
    wait_until((talks.path / "hangs").exists)
    talks.kill(running)
    (session,) = json.loads((talks.path / ".dgbudget/report/usage.json").read_text())["sessions"]
    assert (session["seconds"], session["target"]) == (0, "replay")


# Beside live sessions -----------------------------------------------------------------------------------------------


def test_with_once_what_has_a_cassette_is_replayed_and_the_rest_is_dialled(talks: Project, vendor: Rehearsal) -> None:
    before = len(vendor.rows())
    arguments = ("--dg-record=once", "--dg-regression=off", "--dg-reconcile=require", "-k", "test_sessions")
    result = talks.run(*arguments, env={**vendor.environ, "SESSIONS": "2"})
    assert result.status == 0, result.output
    sessions = [(each["target"], each["seconds"] > 0) for each in result.usage["sessions"]]
    assert sessions == [("replay", False), ("rehearsal", True)]
    run = result.usage["run"]
    assert (run["sessions"], result.usage["reconciliation"]["verdict"]) == (1, "reconciled")
    assert len(vendor.rows()) == before + 1
    (folder,) = talks.path.glob("cassettes/*test_sessions*")
    assert len(cassettes_in(folder)) == 2


@pytest.mark.slow
def test_with_once_other_words_are_a_mismatch_and_never_dialled(talks: Project, vendor: Rehearsal) -> None:
    before = len(vendor.rows())
    result = talks.run(
        *QUICK, "--dg-record=once", "-k", "test_ours", env={**vendor.environ, "SAID": "Where is my parcel?"}
    )
    assert result.outcomes() == {"test_ours": "failed"}, result.output
    assert len(vendor.rows()) == before


@pytest.mark.slow
def test_i8_a_cut_fails_its_test_beside_a_mismatch_that_its_report_names(talks: Project, vendor: Rehearsal) -> None:
    (cassettes,) = talks.path.glob("cassettes/*test_ours*")
    test = "test_talks.py::test_swallows_all"
    shutil.copytree(cassettes, folder_of_test(None, talks.path / "test_talks.py", test))
    arguments = (*QUICK, "--dg-record=once", "--dg-test-budget=2s", "-k", "test_swallows_all")
    result = talks.run(*arguments, env={**vendor.environ, "SWALLOWS": "yes"})
    assert result.outcomes() == {"test_swallows_all": "failed"}, result.output
    assert "BudgetExceeded: " in result.output
    assert "The client's InjectUserMessage is not the cassette's." in result.output


@pytest.mark.slow
def test_with_rewrite_all_is_dialled(talks: Project, vendor: Rehearsal) -> None:
    result = talks.run(*REWRITE, "-k", "test_ours", env=vendor.environ)
    assert session_of(result)["target"] == "rehearsal", result.output


# Time ---------------------------------------------------------------------------------------------------------------


def server_instants(project: Project) -> list[tuple[str, float]]:
    """Return the types of what the agent said in the only session, and when, in seconds after its Welcome."""
    (events,) = project.path.glob(".dgbudget/report/artifacts/*/*events*.jsonl")
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    said = [
        (line["payload"]["type"], epoch_ms(line["ts"]) / 1000)
        for line in lines
        if line["direction"] == "server_to_client" and not line["payload"]["type"].startswith("(")
    ]
    return [(kind, at - said[0][1]) for kind, at in said]


def with_long_answers(cassette: Cassette, times: int) -> Cassette:
    """Return a cassette whose agent says so often what it said."""
    audio = cassette.audio["server_to_client"]
    events: list[CassetteEvent] = []
    longer = bytearray()
    for event in cassette.events:
        if isinstance(event, CassetteAudio) and event.side == "server_to_client":
            said = audio[event.offset : event.offset + event.size] * times
            events.append(replace(event, offset=len(longer), size=len(said)))
            longer += said
        else:
            events.append(event)
    return replace(cassette, events=tuple(events), audio={**cassette.audio, "server_to_client": bytes(longer)})


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_conversation_is_replayed_in_its_own_time_and_a_minute_of_it_at_once(project: Project) -> None:
    """With an idle machine within 10 ms, and in 0.5 s."""
    project.use("replays/test_conversation.py", "replays/agent.toml")
    env = {"SECONDS": "60"}
    keeps = "-odg_artifacts=always"
    with rehearsal("--scenario", str(project.path / "agent.toml")) as vendor:
        result = project.run(*REWRITE, keeps, "-k", "test_conversation", env={**vendor.environ, **env})
    assert result.status == 0, result.output
    recorded, took = server_instants(project), float((project.path / "took").read_text())
    in_its_time = ("--dg-target=replay", "--dg-pace=vendor")
    result = project.run(*QUICK, keeps, *in_its_time, "-k", "test_conversation", env=env)
    assert result.status == 0, result.output
    now = server_instants(project)
    assert [kind for kind, _ in now] == [kind for kind, _ in recorded]
    late = [abs(at - then) for (_, at), (_, then) in zip(now, recorded, strict=True)]
    assert max(late) < 0.5, late
    (folder,) = (project.path / "cassettes").iterdir()
    longer = with_long_answers(cassettes_in(folder)[0], 12)
    assert len(longer.audio["server_to_client"]) > 60 * 32_000
    write_cassettes(folder, [longer])
    result = project.run(*REPLAY, "-k", "test_conversation", env=env)
    assert result.status == 0, result.output
    assert float((project.path / "took").read_text()) < 10
    assert session_of(result)["forecast_seconds"] == pytest.approx(took, abs=2)
