"""What is kept of an attempt: files that say what happened, to nobody but their owner."""

from __future__ import annotations

import json
import stat
import wave
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.recording.lines import LINES_FILE
from pytest_dgbudget.report.artifact_folders import MARKER, TestAttempt, artifacts_of
from pytest_dgbudget.report.artifacts import Artifacts, RecordedAttempt, write_artifacts
from tests.support.recorded_sessions import WELCOME, Step, ended, record, settings
from tests.support.recordings import CLIENT, SESSION, VENDOR

TEST = TestAttempt(run="r", id="a", nodeid="tests/test_it.py::test_it", worker="", number=1)
SAID: Step = (1000, VENDOR, {"type": "ConversationText", "role": "user", "content": "my number is 555 1234"})
STEPS = [WELCOME, settings(), SAID, (1500, CLIENT, bytes(8000)), (1700, VENDOR, bytes(16_000)), ended(3000)]


def kept(tmp_path: Path, **how: Any) -> Artifacts:
    recorded = RecordedAttempt(test=TEST, folder=tmp_path / "spool" / "a77e", target="live", unended="nobody saw it")
    artifacts = write_artifacts(tmp_path / "report", recorded, **how)
    assert artifacts is not None
    return artifacts


def all_of(size: int) -> int:
    return size


def test_a_transcript_and_the_events_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    recorded = record(tmp_path / "spool", STEPS) / SESSION / LINES_FILE
    artifacts = kept(tmp_path)
    assert artifacts.files == ("events.jsonl", "transcript.txt")
    text = artifacts.transcript.read_text(encoding="utf-8")
    assert text.startswith("tests/test_it.py::test_it, attempt 1\n\nSession 1 of 1\n  request id  4f0c-request\n")
    assert text.splitlines()[-len(artifacts.tail) :] == list(artifacts.tail)
    assert artifacts.tail[0].endswith("client    Settings")
    assert (artifacts.folder / "events.jsonl").read_bytes() == recorded.read_bytes()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "report").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}


def test_of_a_recording_that_was_broken_off_whole_lines_are_kept(tmp_path: Path) -> None:
    recorded = record(tmp_path / "spool", STEPS) / SESSION / LINES_FILE
    whole = recorded.read_bytes()
    recorded.write_bytes(whole[:-5])
    artifacts = kept(tmp_path)
    assert (artifacts.folder / "events.jsonl").read_bytes() == b"".join(whole.splitlines(keepends=True)[:-1])
    assert artifacts.tail[-1].endswith("gateway   (no more of it: nobody saw it)")


def test_several_sessions_are_one_transcript_in_the_order_of_their_dials(tmp_path: Path) -> None:
    for session in ("02", "01"):
        steps = [WELCOME, settings(), (1000, CLIENT, {"type": session}), ended(2000)]
        record(tmp_path / "spool", steps, session=session)
    artifacts = kept(tmp_path)
    assert artifacts.files == ("events-1.jsonl", "events-2.jsonl", "transcript.txt")
    text = artifacts.transcript.read_text(encoding="utf-8")
    places = [text.index(part) for part in ("Session 1 of 2", '"01"', "Session 2 of 2", '"02"')]
    assert places == sorted(places)
    assert '"type": "01"' in (artifacts.folder / "events-1.jsonl").read_text(encoding="utf-8")


def test_an_attempt_without_a_session_leaves_nothing(tmp_path: Path) -> None:
    recorded = RecordedAttempt(test=TEST, folder=tmp_path / "spool" / "a77e", target="live", unended="")
    assert write_artifacts(tmp_path / "report", recorded) is None
    assert not (tmp_path / "report").exists()


def test_what_is_written_again_takes_the_earlier_ones_place(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS, session="01", ends=False)
    first = kept(tmp_path)
    record(tmp_path / "spool", STEPS, session="02")
    again = kept(tmp_path)
    assert again.folder == first.folder
    assert {path.name for path in again.folder.iterdir()} == {
        *("events-1.jsonl", "events-2.jsonl", "transcript.txt"),
        MARKER,
    }
    assert artifacts_of(tmp_path / "report", "r") == {"a": [f"artifacts/{again.folder.name}/{f}" for f in again.files]}


def test_the_hook_is_applied_to_every_text_before_it_is_written(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS)
    asked: list[str] = []

    def scrub(text: str) -> str:
        asked.append(text)
        return text.replace("555 1234", "<number>")

    artifacts = kept(tmp_path, scrub=scrub)
    assert "my number is 555 1234" in asked
    written = b"".join((artifacts.folder / file).read_bytes() for file in artifacts.files)
    assert b"555 1234" not in written
    assert written.count(b"my number is <number>") == 2
    assert any("<number>" in line for line in artifacts.tail)


def test_a_hook_that_raises_loses_the_text_and_nothing_else(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS)

    def scrub(text: str) -> str:
        raise ValueError(text)

    artifacts = kept(tmp_path, scrub=scrub)
    assert b"555 1234" not in b"".join((artifacts.folder / file).read_bytes() for file in artifacts.files)
    assert len((artifacts.folder / "events.jsonl").read_text(encoding="utf-8").splitlines()) > len(STEPS)


def test_audio_is_kept_where_it_is_wanted(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS)
    assert kept(tmp_path).audio == ()
    artifacts = kept(tmp_path, take_room=all_of)
    assert [path.name for path in artifacts.audio] == ["session.wav"]
    with wave.open(str(artifacts.audio[0])) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 3 * 8000)
    assert "  audio       session.wav, user left, agent right" in artifacts.transcript.read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["opus", "mp3"])
def test_a_side_that_can_not_be_decoded_is_kept_as_it_came_and_said(tmp_path: Path, encoding: str) -> None:
    given = settings(encoding, output_encoding="linear16")
    steps = [WELCOME, given, (1000, CLIENT, b"compressed"), (1500, VENDOR, bytes(8000)), ended(3000)]
    record(tmp_path / "spool", steps)
    artifacts = kept(tmp_path, take_room=all_of)
    assert {path.name for path in artifacts.audio} == {"session.wav", f"user.{encoding}"}
    assert (artifacts.folder / f"user.{encoding}").read_bytes() == b"compressed"
    text = artifacts.transcript.read_text(encoding="utf-8")
    assert f"user.{encoding}, the user's side, which can't be decoded here: {encoding}" in text


def test_audio_that_finds_no_room_is_cut_and_said(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS)
    artifacts = kept(tmp_path, take_room=lambda size: min(size, 80_000))
    with wave.open(str(artifacts.folder / "session.wav")) as file:
        assert file.getnframes() == 2 * 8000
    text = artifacts.transcript.read_text(encoding="utf-8")
    assert "  audio       1 of 3 s are not kept: what a run may keep of audio is used up" in text
    nothing = kept(tmp_path, take_room=lambda size: 0)
    assert nothing.audio == ()
    assert "3 of 3 s are not kept" in nothing.transcript.read_text(encoding="utf-8")


def test_audio_that_was_not_recorded_is_counted_in_the_transcript(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS, keeps_audio=False)
    artifacts = kept(tmp_path, take_room=all_of)
    assert artifacts.audio == ()
    assert "[audio 0.50 s]" in artifacts.transcript.read_text(encoding="utf-8")
    events = [json.loads(line) for line in (artifacts.folder / "events.jsonl").read_bytes().splitlines()]
    assert [event["payload"]["bytes"] for event in events if event["payload"]["type"] == "(audio)"] == [8000, 16_000]


def test_a_folder_that_others_could_enter_is_closed_to_them(tmp_path: Path) -> None:
    """As a cache of CI restores it."""
    record(tmp_path / "spool", STEPS)
    folder = kept(tmp_path).folder
    for each in (folder, folder.parent):
        each.chmod(0o755)
    assert kept(tmp_path).folder == folder
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700, 0o700]


def test_a_link_in_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    record(tmp_path / "spool", STEPS)
    folder = kept(tmp_path).folder
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="File exists"):
        kept(tmp_path)
