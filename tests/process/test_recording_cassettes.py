"""Runs that record: live ones, rehearsed at an emulator of their own; what stands beside the tests afterwards."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.store import cassettes_in
from tests.support.own_network import without_network
from tests.support.processes import wait_until
from tests.support.project import PYTEST, Project, Result
from tests.support.rehearsal import Rehearsal, rehearsal
from tests.support.slow import slow

REWRITE, ONCE = "--dg-record=rewrite", "--dg-record=once"
QUICK = ("--dg-reconcile=off", "--dg-regression=off")


@pytest.fixture(scope="module")
def vendor() -> Iterator[Rehearsal]:
    with rehearsal("--pace", "max") as running:
        yield running


def record(project: Project, vendor: Rehearsal, *arguments: str, **env: str) -> Result:
    return project.run(*QUICK, *arguments, env={**vendor.environ, **env})


def function_of(folder: Path) -> str:
    """Return the function that the folder of a test's cassettes is named after."""
    return folder.name.partition(".py_")[2].rpartition("-")[0]


def sets_of(project: Project, below: str = "cassettes") -> dict[str, list[Cassette]]:
    """Return the cassettes of each test that has some, by its function's name."""
    folder = project.path / below
    return {function_of(path): cassettes_in(path) for path in (folder.iterdir() if folder.exists() else ())}


def said_in(cassette: Cassette) -> list[str]:
    """Return what was said in a session in the user's place."""
    texts = (event.payload for event in cassette.events if isinstance(event, CassetteText))
    return [text["content"] for text in texts if text["type"] == "InjectUserMessage"]


def said(project: Project) -> dict[str, list[list[str]]]:
    return {test: [said_in(cassette) for cassette in cassettes] for test, cassettes in sets_of(project).items()}


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Which sessions become cassettes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["-n0", slow("-n2")])
def test_sessions_of_tests_that_passed_become_cassettes_and_no_others(
    project: Project, vendor: Rehearsal, workers: str
) -> None:
    project.use("cassettes/test_outcomes.py")
    result = record(project, vendor, REWRITE, workers)
    assert said(project) == {
        "test_passes": [["passes"]],
        "test_has_two_sessions": [["the first"], ["the second"]],
        "test_leaves_a_session_to_its_teardown": [["left open"]],
    }, result.output
    assert "\nrecorded 4 cassettes (0:0" in result.output
    assert ") in cassettes\n" in result.output
    assert list(project.path.glob(".dgbudget/*.recordings")) == []
    folders = {path.relative_to(project.path).as_posix() for path in project.path.glob("cassettes/*/*")}
    replays = [session["replay"] for session in result.usage["sessions"] if session["replay"] is not None]
    assert {(replay["cassette"], replay["result"]) for replay in replays} == {(path, "recorded") for path in folders}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_of_a_test_that_is_run_again_the_attempt_that_passed_is_kept(
    project: Project, vendor: Rehearsal, workers: str
) -> None:
    project.use("cassettes/test_outcomes.py")
    result = record(project, vendor, REWRITE, workers, "--reruns=2", "-k", "second_time or test_fails")
    assert said(project) == {"test_passes_the_second_time": [["the second time"]]}, result.output


@pytest.mark.slow
def test_with_once_what_has_a_cassette_is_replayed_and_the_rest_is_added(project: Project, vendor: Rehearsal) -> None:
    project.use("cassettes/test_says.py")
    record(project, vendor, ONCE, SAID="a,b")
    before = bytes_below(project.path / "cassettes")
    result = record(project, vendor, ONCE, SAID="a,b,c")
    assert said(project) == {"test_says": [["a"], ["b"], ["c"]]}, result.output
    assert "\nrecorded 1 cassette (0:0" in result.output
    assert before.items() < bytes_below(project.path / "cassettes").items()
    assert [session["target"] for session in result.usage["sessions"]] == ["replay", "replay", "rehearsal"]
    result = record(project, vendor, ONCE, SAID="a,b,c")
    assert result.status == 0
    assert "cassettes (" not in result.output
    assert len(said(project)["test_says"]) == 3


@pytest.mark.slow
def test_with_rewrite_all_cassettes_of_a_test_that_passed_are_replaced(project: Project, vendor: Rehearsal) -> None:
    project.use("cassettes/test_says.py")
    record(project, vendor, REWRITE, SAID="a,b")
    assert said(project) == {"test_says": [["a"], ["b"]]}
    result = record(project, vendor, REWRITE, SAID="c", FAILS="yes")
    assert (result.status, said(project)) == (1, {"test_says": [["a"], ["b"]]})
    result = record(project, vendor, REWRITE, SAID="c")
    assert said(project) == {"test_says": [["c"]]}
    assert "\nrecorded 1 cassette (0:0" in result.output
    assert "none was replaced" not in result.output


@pytest.mark.slow
def test_in_a_folder_of_ones_own_and_beside_each_file(project: Project, vendor: Rehearsal) -> None:
    for name in ("a", "b"):
        project.write(f"{name}/test_{name}.py", TALKS)
    result = record(project, vendor, REWRITE)
    assert "in a/cassettes, b/cassettes\n" in result.output, result.output
    assert [len(list(project.path.glob(f"{name}/cassettes/*/1"))) for name in ("a", "b")] == [1, 1]
    result = record(project, vendor, REWRITE, "--dg-cassette-dir=tapes")
    assert "recorded 2 cassettes" in result.output
    assert ") in tapes\n" in result.output
    assert len(list(project.path.glob("tapes/*/1/session.jsonl"))) == 2


TALKS = "def test_talks(voice_agent):\n    with voice_agent.connect() as session:\n        session.say('hello')\n"


# What is in them ---------------------------------------------------------------------------------------------------


def test_a_cassette_has_all_that_was_said_and_heard_by_any_client_in_any_encoding(
    project: Project, vendor: Rehearsal
) -> None:
    project.use("cassettes/test_clients.py")
    result = record(project, vendor, REWRITE, "-n0")
    assert result.status == 0, result.output
    sets = sets_of(project)
    assert sets.keys() == {f"test_{client}_{encoding}" for client in ("ours", "raw") for encoding in ENCODINGS}
    for test, (cassette,) in sets.items():
        _, client, encoding = test.split("_")
        heard = (project.path / f"{client}-{encoding}.heard").read_bytes()
        assert cassette.audio["server_to_client"] == heard != b""
        assert cassette.formats["server_to_client"].encoding == encoding
        sent = (project.path / f"raw-{encoding}.sent").read_bytes() if client == "raw" else b""
        assert cassette.audio.get("client_to_server", b"") == sent
        assert (cassette.facts.closed_by, cassette.facts.close_code) == ("client", 1000)
        assert cassette.facts.ms > cassette.facts.handshake_ms >= 0
        assert cassette.facts.micro_usd


ENCODINGS = ("linear16", "mulaw")


@pytest.mark.slow
def test_what_was_recorded_is_replayed_where_there_is_no_network(project: Project, vendor: Rehearsal) -> None:
    project.use("cassettes/test_clients.py")
    record(project, vendor, REWRITE, "-n0")
    heard = {path: path.read_bytes() for path in project.path.glob("*.heard")}
    for path in heard:
        path.unlink()
    replay = without_network(*PYTEST, "--dg-target=replay", "--dg-pace=max", "-n0")
    result = project.result(project.launch(replay))
    assert result.status == 0, result.output
    assert {path: path.read_bytes() for path in heard} == heard
    assert (len(heard), result.usage["run"]["used_seconds"]) == (4, 0)


def test_i9_no_secret_that_stands_anywhere_in_a_session_survives_into_its_cassette(
    project: Project, vendor: Rehearsal
) -> None:
    secrets = {
        "key": vendor.given_key,
        "url": "u8Zq3vN1xK7dQm2R",
        "header": "h5Tw9yB4cJ6fPs8L",
        "password": "p2Xe7gV9nM3kRt6H",
        "card": "CARD-4929-1234",
        "name": "Ms Miller",
    }
    project.use("cassettes/test_secrets.py", "cassettes/conftest.py", "cassettes/looks_up.toml")
    project.write("secrets.json", json.dumps(secrets))
    with rehearsal("--pace", "max", "--scenario", str(project.path / "looks_up.toml")) as running:
        secrets["key"] = running.given_key
        project.write("secrets.json", json.dumps(secrets))
        result = record(project, running, REWRITE, "-o", r"dg_scrub=CARD-[0-9-]+")
    assert result.status == 0, result.output
    assert sets_of(project).keys() == {"test_tells_secrets"}, result.output
    token = (project.path / "token.txt").read_text(encoding="utf-8")
    files = bytes_below(project.path / "cassettes")
    for secret in (*secrets.values(), token):
        assert [name for name, text in files.items() if secret.encode() in text] == [], secret
        assert secret not in result.output


# What can't be kept ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("how", "status"), [(REWRITE, 1), (ONCE, 0)])
def test_what_still_looks_like_a_secret_is_not_written_and_the_run_says_where_it_stands(
    project: Project, vendor: Rehearsal, how: str, status: int
) -> None:
    project.use("cassettes/test_says.py")
    record(project, vendor, how, SAID="a")
    before = bytes_below(project.path / "cassettes")
    unknown = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
    result = record(project, vendor, how, SAID=f"a,call {unknown}")
    assert result.status == status, result.output
    assert bytes_below(project.path / "cassettes") == before
    assert unknown not in result.output
    replaced = ", and none was replaced" if how == REWRITE else ""
    assert f"\ntest_says.py::test_says: no cassette was recorded{replaced}: " in result.output
    assert "dg_scrub" in result.output
    assert ("--dg-record=rewrite fails the run" in result.output) == (how == REWRITE)
    assert "1 passed" in result.output


@pytest.mark.slow
def test_a_run_that_fails_for_want_of_a_cassette_says_so_however_quiet_it_is(
    project: Project, vendor: Rehearsal
) -> None:
    project.use("cassettes/test_says.py")
    result = record(project, vendor, REWRITE, "-qq", SAID="call 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b")
    assert result.status == 1, result.output
    assert "test_says.py::test_says: no cassette was recorded, and none was replaced: " in result.output


@pytest.mark.parametrize("how", [REWRITE, slow(ONCE)])
def test_where_cassettes_can_not_be_written_nothing_is_dialled_whichever_client_asks(
    project: Project, vendor: Rehearsal, how: str
) -> None:
    project.use("cassettes/test_clients.py")
    project.write("cassettes", "in the way")
    result = record(project, vendor, how, "-k", "linear16")
    assert result.status == 1
    assert result.usage["sessions"] == []
    why = "nothing is dialled, for cassettes can't be written in cassettes (File exists): cassettes is a file: move it"
    assert f"pytest_dgbudget.CassetteError: {why}" in result.output, result.output  # our client
    assert f"404 DGBUDGET_NO_CASSETTE: {why}" in result.output, result.output  # any other


@pytest.mark.slow
@pytest.mark.parametrize("how", [REWRITE, ONCE])
def test_an_interrupted_rewrite_says_what_became_of_the_cassettes_that_there_were(
    project: Project, vendor: Rehearsal, how: str
) -> None:
    project.use("cassettes/test_hangs.py")
    process = project.start(how, *QUICK, env=vendor.environ)
    wait_until((project.path / "open").exists)
    process.send_signal(signal.SIGINT)
    result = project.result(process)
    assert result.status == pytest.ExitCode.INTERRUPTED
    line = "\ninterrupted: tests that had not finished keep the cassettes that they had\n"
    assert (line in result.output) == (how == REWRITE), result.output


@pytest.mark.slow
def test_a_killed_pytest_leaves_nothing_beside_its_tests(project: Project, vendor: Rehearsal) -> None:
    project.use("cassettes/test_hangs.py")
    process = project.start(REWRITE, *QUICK, env=vendor.environ)
    wait_until((project.path / "open").exists)
    os.killpg(process.pid, signal.SIGKILL)
    project.result(process)
    wait_until((project.path / ".dgbudget/report/usage.json").exists)
    wait_until(lambda: not list(project.path.glob(".dgbudget/*.recordings")))
    assert not (project.path / "cassettes").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["off", "always"])
def test_artifacts_and_cassettes_of_an_attempt_are_both_kept(project: Project, vendor: Rehearsal, kept: str) -> None:
    project.use("cassettes/test_says.py")
    result = record(project, vendor, REWRITE, "-o", f"dg_artifacts={kept}", SAID="a")
    ((cassette,),) = sets_of(project).values()
    assert said_in(cassette) == ["a"]
    (test,) = result.usage["tests"]
    assert bool(test["artifacts"]) == (kept == "always")
    result = record(project, vendor, REWRITE, "-o", f"dg_artifacts={kept}", SAID="b", FAILS="yes")
    (test,) = result.usage["tests"]
    assert bool(test["artifacts"]) == (kept == "always")
