"""What is recorded until a test's outcome is known, and goes with the run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.ledger.run_lock import RunLock
from pytest_dgbudget.ledger.spool import remove_dead_spools, spool_of
from pytest_dgbudget.recording.reading import read_recording
from pytest_dgbudget.recording.room import MOST_AUDIO, RunRoom
from tests.support.recordings import ATTEMPT, CLIENT, DIALLED_MS, SESSION, VENDOR, Recorder, wire


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return spool_of(tmp_path, "r")


def say(recorder: Recorder, *sizes: int, session: str = SESSION, attempt: str = ATTEMPT) -> None:
    """Record a session in which texts of these sizes passed."""
    recording = recorder.begin(session, attempt=attempt)
    for size in sizes:
        recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {"type": "x" * size})))
    recording.ended()


def written(recorder: Recorder, attempt: str = ATTEMPT) -> bool:
    return asyncio.run(recorder.recordings.write(attempt, 30))


def test_what_was_recorded_of_an_attempt_is_there_when_it_is_asked_for(spool: Path) -> None:
    recorder = Recorder(spool, passing=True)
    recording = recorder.begin()
    recording.vendor_sent(Chunk(DIALLED_MS, wire(VENDOR, {"type": "Welcome", "request_id": "r"})))
    recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {"type": "Settings"})))
    assert written(recorder)
    assert [line.payload["type"] for line in recorder.read().lines] == ["Welcome", "Settings"]
    recording.ended()
    assert written(recorder)
    assert recorder.read().complete
    recorder.close()


def test_an_attempt_that_is_dropped_leaves_nothing_and_others_stay(spool: Path) -> None:
    recorder = Recorder(spool, passing=True)
    say(recorder, 10, attempt="passed")
    say(recorder, 10, attempt="runs")
    recorder.recordings.release("passed", is_kept=False)
    assert written(recorder, "runs")
    assert [folder.name for folder in spool.iterdir()] == ["runs"]
    recorder.close()


def test_tests_that_pass_take_no_room_for_long(spool: Path) -> None:
    recorder = Recorder(spool, passing=True, room=RunRoom(most_text=3000))
    for number in range(10):
        say(recorder, 1000, attempt=str(number))
        recorder.recordings.release(str(number), is_kept=False)
    say(recorder, 1000, attempt="last")
    assert written(recorder, "last")
    assert read_recording(spool / "last" / SESSION).complete
    assert recorder.recordings.sentences() == []
    recorder.close()


def test_what_is_kept_takes_its_room_and_what_is_cut_short_then_is_said(spool: Path) -> None:
    recorder = Recorder(spool, passing=True, room=RunRoom(most_text=3000))
    say(recorder, 1000, 1000, attempt="failed")
    recorder.recordings.release("failed", is_kept=True)
    say(recorder, 1000, attempt="last")
    assert written(recorder, "last")
    (sentence,) = recorder.recordings.sentences()
    assert sentence.startswith("recordings of 1 session end early, or were never begun: the texts of all recordings")
    recorder.recordings.release("last", is_kept=False)
    recorder.close()
    assert recorder.recordings.sentences() == []


def test_audio_that_is_not_kept_whole_is_said(spool: Path) -> None:
    recordings = Recorder(spool, passing=True).recordings
    assert recordings.take_audio_room(MOST_AUDIO - 1) == MOST_AUDIO - 1
    assert recordings.sentences() == []
    assert [recordings.take_audio_room(10) for _ in range(2)] == [1, 0]
    assert recordings.sentences() == [
        "the audio of 2 sessions is cut short: what is kept of a run's audio may take 1024 MiB, and no more is written"
    ]


def test_the_run_s_end_removes_the_folder(spool: Path) -> None:
    recorder = Recorder(spool, passing=True)
    say(recorder, 10)
    recorder.begin("open")
    recorder.close()
    assert not spool.exists()


def test_a_successor_finds_what_was_recorded(spool: Path) -> None:
    recorder = Recorder(spool, passing=True)
    say(recorder, 10)
    asyncio.run(recorder.recordings.close(30, has_successor=True))
    assert recorder.read().complete
    Recorder(spool, passing=True).close()
    assert not spool.exists()


def test_a_dead_gateways_recordings_go_and_those_of_live_runs_stay(tmp_path: Path) -> None:
    for run in ("mine", "live", "dead"):
        (spool_of(tmp_path, run) / "attempt" / "session").mkdir(parents=True)
    (tmp_path / "run-dead.lock").touch()  # as a killed gateway leaves it
    (tmp_path / "recordings").mkdir()
    lock = RunLock(tmp_path, "live")
    remove_dead_spools(tmp_path, "mine", takes_over=False)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"run-live.recordings", "recordings"}
    lock.release()


def test_who_takes_over_a_run_goes_on_with_its_recordings(tmp_path: Path) -> None:
    spool_of(tmp_path, "mine").mkdir()
    remove_dead_spools(tmp_path, "mine", takes_over=True)
    assert spool_of(tmp_path, "mine").exists()


def test_a_link_in_place_of_recordings_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    spool_of(tmp_path, "dead").symlink_to(precious)
    remove_dead_spools(tmp_path, "mine", takes_over=False)
    assert precious.exists()
