"""What failed tests leave beside the report, in real runs."""

from __future__ import annotations

import json
import os
import signal
import time
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.instants import read_instant
from tests.support.processes import gateway_of
from tests.support.project import Project, Result
from tests.support.waveform import LOUD, channels, picture

ON_EMULATOR = ("--dg-target=emulator", "--dg-pace=max")
SCRUB = ("-o", r"dg_scrub=555-[0-9-]+")


def artifacts_of(result: Result, name: str) -> list[list[Path]]:
    """Return the files of each attempt of a test, by its function's name."""
    report = result.path / ".dgbudget/report"
    tests = [test for test in result.usage["tests"] if function_of(test) == name]
    return [[report / path for path in test["artifacts"]] for test in tests]


def function_of(test: Mapping[str, Any]) -> str:
    name: str = test["nodeid"]
    return name.partition("::")[2].partition("[")[0]


def transcript_of(result: Result, name: str) -> str:
    ((*_, path),) = artifacts_of(result, name)
    assert path.name == "transcript.txt"
    return path.read_text(encoding="utf-8")


def section_of(result: Result, name: str, phase: str) -> str:
    """Return the section that the terminal shows of a failed test."""
    of_test = result.output.partition(f"{name} _")[2].partition("\n____")[0]
    _, title, section = of_test.partition(f"Captured dgbudget {phase} ")
    assert title, of_test
    return section


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    project = Project(tmp_path_factory.mktemp("outcomes"))
    project.use("artifacts/test_outcomes.py", "artifacts/conftest.py")
    project.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    yield project.run(*ON_EMULATOR, *SCRUB, env={"COLUMNS": "200"})
    project.end()


FAILING = {
    "test_fails",
    "test_breaks_in_setup",
    "test_breaks_in_teardown",
    "test_passes_unexpectedly",
    "test_fails_by_any_name",
}


def test_tests_that_failed_in_any_phase_leave_transcript_and_events_and_no_other_does(outcomes: Result) -> None:
    became = {function_of(test): test["outcome"] for test in outcomes.usage["tests"]}
    assert (became["test_passes"], became["test_leaves_nothing_of_what_passed"]) == ("passed", "passed")
    assert {name for name, outcome in became.items() if outcome in ("failed", "error")} - FAILING == {
        "test_fails_without_session"
    }
    kept = {function_of(test) for test in outcomes.usage["tests"] if test["artifacts"]}
    assert kept == FAILING
    files = [path for name in FAILING for each in artifacts_of(outcomes, name) for path in each]
    assert all(path.is_file() for path in files)
    assert {path.name for path in files} == {"transcript.txt", "events.jsonl", "events-1.jsonl", "events-2.jsonl"}
    assert len(list((outcomes.path / ".dgbudget/report/artifacts").iterdir())) == len(FAILING)


def test_the_report_of_a_failed_test_names_its_transcript_and_shows_its_end(outcomes: Result) -> None:
    for name, phase in (
        ("test_fails", "call"),
        ("test_breaks_in_setup", "setup"),
        ("test_passes_unexpectedly", "call"),
    ):
        section = section_of(outcomes, name, phase)
        assert f"\ntranscript: .dgbudget/report/artifacts/test_outcomes.py_{name}-" in section
        assert "closed by client, code 1000" in section
    assert "You said: from the teardown" in section_of(outcomes, "test_breaks_in_teardown", "teardown")


def test_a_transcript_has_all_sessions_of_its_test(outcomes: Result) -> None:
    transcript = transcript_of(outcomes, "test_breaks_in_teardown")
    places = [
        transcript.index(text) for text in ("Session 1 of 2", "from the test", "Session 2 of 2", "from the teardown")
    ]
    assert places == sorted(places)
    session = next(each for each in outcomes.usage["sessions"] if each["nodeid"].endswith("::test_fails"))
    transcript = transcript_of(outcomes, "test_fails")
    assert f"  request id  {session['request_id']}\n  target      emulator\n  opened      " in transcript
    assert f"  seconds     {session['seconds']:.3f}\n  closed by   client, code 1000\n" in transcript


def test_what_dg_scrub_or_a_hook_names_is_in_no_file_and_on_no_screen(outcomes: Result) -> None:
    said = "call me at [scrubbed], ask for Ms [name]"
    assert said in transcript_of(outcomes, "test_fails")
    assert said in section_of(outcomes, "test_fails", "call")
    for path in outcomes.path.joinpath(".dgbudget/report/artifacts").glob("*/*"):
        assert not any(secret in path.read_bytes() for secret in (b"555-1234", b"Miller"))


def test_nothing_of_what_was_recorded_is_left(outcomes: Result) -> None:
    assert list(outcomes.path.glob(".dgbudget/*.recordings")) == []


@pytest.mark.slow
def test_where_no_transcript_can_be_written_its_end_is_in_the_tests_report(project: Project) -> None:
    project.use("artifacts/test_outcomes.py")
    folder = project.path / ".dgbudget/report"
    folder.mkdir(parents=True)
    (folder / "artifacts").write_text("in the way", encoding="utf-8")
    result = project.run(*ON_EMULATOR, "-k", "test_fails and not (without or any)")
    assert "1 failed" in result.output
    section = section_of(result, "test_fails", "teardown")
    assert "the transcript can't be written: [Errno 17] File exists" in section
    assert "You said: call me at 555-1234-567" in section


@pytest.mark.slow
def test_a_later_run_takes_the_artifacts_place_as_it_does_the_reports(project: Project) -> None:
    project.use("artifacts/test_outcomes.py")
    first = project.run(*ON_EMULATOR, "-k", "test_fails or unexpectedly")
    ((old, _),) = artifacts_of(first, "test_passes_unexpectedly")
    again = project.run(*ON_EMULATOR, "-k", "test_fails")
    assert not old.parent.exists()
    assert artifacts_of(again, "test_fails")[0][0].is_file()
    project.run(*ON_EMULATOR, "-k", "test_is_skipped")
    assert not (project.path / ".dgbudget/report/artifacts").exists()


@pytest.mark.slow
def test_always_keeps_those_of_tests_that_passed_and_off_keeps_none(project: Project) -> None:
    project.use("artifacts/test_outcomes.py")
    chosen = ("-k", "test_is_skipped or test_fails")
    result = project.run(*ON_EMULATOR, *chosen, "-o", "dg_artifacts=always")
    assert "skipped" in transcript_of(result, "test_is_skipped")
    assert artifacts_of(result, "test_fails_without_session") == [[]]
    result = project.run(*ON_EMULATOR, *chosen, "-o", "dg_artifacts=off")
    assert not any(test["artifacts"] for test in result.usage["tests"])
    assert "transcript: " not in result.output


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_each_attempt_that_failed_has_its_own_and_one_whose_worker_crashed(project: Project, workers: str) -> None:
    project.use("artifacts/test_fails_once.py")
    result = project.run(
        *ON_EMULATOR, "--reruns=1", workers, *(["--deselect=test_fails_once.py::test_is_killed"] * (workers == "-n0"))
    )
    first, second = artifacts_of(result, "test_fails_once")
    assert second == []
    assert "first time" in first[-1].read_text(encoding="utf-8")
    if workers == "-n2":
        killed = artifacts_of(result, "test_is_killed")
        assert [path[-1].parent.name.endswith("-attempt-2") for path in killed] == [False, True]
        for *_, transcript in killed:
            text = transcript.read_text(encoding="utf-8")
            assert "You said: last words" in text
            assert "closed by owner-lost, code 4410: the test's process is gone" in text


@pytest.mark.slow
def test_a_test_that_has_replaced_what_files_are_written_with_has_them_after_its_teardown(project: Project) -> None:
    project.use("artifacts/test_replaces.py")
    result = project.run(*ON_EMULATOR)
    assert "transcript: .dgbudget/report/artifacts/" in section_of(result, "test_has_replaced_open", "teardown")
    assert "You said: hello" in transcript_of(result, "test_has_replaced_open")


@pytest.mark.slow
def test_a_gateway_that_died_leaves_what_it_had_written_and_the_transcript_says_so(project: Project) -> None:
    project.use("artifacts/test_loses_gateway.py")
    process = project.start(*ON_EMULATOR)
    wait_for(project.path / "open")
    os.kill(gateway_of(process.pid), signal.SIGKILL)
    (project.path / "killed").touch()
    result = project.result(process)
    transcript = transcript_of(result, "test_loses_its_gateway")
    assert "You said: before the end" in transcript
    assert "(no more of it: the gateway died)" in transcript
    assert list(project.path.glob(".dgbudget/*.recordings")) == []


@pytest.mark.slow
def test_what_a_killed_run_left_goes_with_the_next_one(project: Project) -> None:
    project.use("artifacts/test_loses_gateway.py", "artifacts/test_outcomes.py")
    project.expects_log = True
    process = project.start(*ON_EMULATOR, "test_loses_gateway.py")
    wait_for(project.path / "open")
    gateway = gateway_of(process.pid)
    process.send_signal(signal.SIGSTOP)  # else it would start another one
    os.kill(gateway, signal.SIGKILL)
    process.kill()
    project.result(process)
    assert list(project.path.glob(".dgbudget/*.recordings/*/*/session.jsonl"))
    project.run(*ON_EMULATOR, "-k", "test_is_skipped")
    assert list(project.path.glob(".dgbudget/*.recordings")) == []


@pytest.mark.slow
def test_a_test_that_hangs_until_ctrl_c_leaves_what_was_said(project: Project) -> None:
    project.use("artifacts/test_hangs.py")
    process = project.start(*ON_EMULATOR)
    wait_for(project.path / "open")
    process.send_signal(signal.SIGINT)
    result = project.result(process)
    assert result.status == 2
    transcript = transcript_of(result, "test_hangs")
    assert "You said: last words" in transcript
    assert list(project.path.glob(".dgbudget/*.recordings")) == []


@pytest.mark.slow
def test_left_and_right_overlap_where_the_caller_spoke_over_the_agent(project: Project) -> None:
    """The caller stutters for half a second, and has been heard for 40 ms more when the agent is interrupted."""
    project.use("artifacts/test_barge_in.py")
    result = project.run("--dg-target=emulator", "--dg-pace=vendor", "-o", "dg_artifacts_audio=true")
    ((events, audio, transcript),) = artifacts_of(result, "test_a_caller_who_speaks_over_the_agent_is_heard")
    assert "interrupts the agent" in transcript.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in events.read_bytes().splitlines()]
    at_ms = {line["payload"]["type"]: since(lines[0], line) for line in reversed(lines)}  # of the first of each type
    left, right, rate = channels(audio)
    user, agent = loud_ms(left, rate), loud_ms(right, rate)
    spoken_over = user & agent
    assert len(spoken_over) * 10 >= 80
    spoke_at_ms = next(since(lines[0], line) for line in lines if is_users_audio(line))
    assert abs(min(user) - spoke_at_ms) <= 20
    assert spoke_at_ms + 500 < at_ms["UserStartedSpeaking"]
    assert min(user) <= min(spoken_over)
    assert max(agent) < at_ms["UserStartedSpeaking"]
    assert max(user) > at_ms["UserStartedSpeaking"] + 1000
    assert picture(left, right, rate).startswith(b"\x89PNG")


def is_users_audio(line: Mapping[str, Any]) -> bool:
    return (line["direction"], line["payload"]["type"]) == ("client_to_server", "(audio)")


def since(first: Mapping[str, Any], line: Mapping[str, Any]) -> int:
    """Return the milliseconds between two lines."""
    began, at = read_instant(first["ts"]), read_instant(line["ts"])
    assert began is not None
    assert at is not None
    return round((at - began).total_seconds() * 1000)


def loud_ms(samples: array[int], rate: int) -> set[int]:
    """Return the hundredths of a second in which something is heard."""
    size = rate // 100
    return {at // size * 10 for at in range(0, len(samples), size) if max(map(abs, samples[at : at + size])) > LOUD}


def wait_for(file: Path) -> Any:
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline, file
        time.sleep(0.01)
