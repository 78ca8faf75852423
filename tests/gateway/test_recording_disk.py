"""A disk that is slow, full or broken costs the recording alone, and what is missing is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.recording_thread import MOST_WAITING, OVERHEAD, RESERVE
from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.lines import AUDIO, ENDED, LOST, STOPPED
from pytest_dgbudget.recording.room import RunRoom
from tests.support.recordings import CLIENT, DIALLED_MS, VENDOR, Direction, Recorder, wire


class SlowDisk(Disk):
    """Takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.may_write = threading.Event()
        self.wrote = threading.Event()

    def make_folder(self, folder: Path) -> None:
        self.reached.set()
        assert self.may_write.wait(30)
        super().make_folder(folder)

    def append(self, file: BinaryIO, data: bytes) -> None:
        super().append(file, data)
        self.wrote.set()


@pytest.fixture
def slow_disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.may_write.set()


def test_what_waits_for_a_slow_disk_is_bounded_and_what_is_lost_is_said_at_its_place(
    tmp_path: Path, slow_disk: SlowDisk
) -> None:
    recorder = Recorder(tmp_path, disk=slow_disk)
    recording = recorder.begin()
    assert slow_disk.reached.wait(30)
    audio = wire(VENDOR, b"a" * 60_000)
    given = 3 * MOST_WAITING // len(audio)
    for _ in range(given):
        recording.vendor_sent(Chunk(DIALLED_MS, audio))
    recording.happened("warned", 0, {"code": "SLOW"})
    waiting = recorder.recordings._thread.waiting
    assert MOST_WAITING - 2 * len(audio) < waiting < MOST_WAITING + 2000
    slow_disk.may_write.set()
    recording.ended()
    recorder.close()
    session = recorder.read()
    kept = sum(len(part) for part in session.audio.values()) // 60_000
    (lost,) = (line for line in session.lines if line.payload["type"] == LOST)
    assert lost.payload == {"type": LOST, "bytes": (given - kept) * len(audio), "direction": VENDOR}
    assert [line.payload["type"] for line in session.lines[-3:]] == [LOST, "warned", ENDED]
    (sentence,) = recorder.recordings.sentences()
    assert sentence.startswith("recordings of 1 session have gaps: ")
    assert sentence.endswith(" MiB were handed over faster than they could be written")


def test_what_follows_a_gap_is_read_correctly(tmp_path: Path, slow_disk: SlowDisk) -> None:
    """The gap begins inside a long frame of the vendor's, and ends inside another."""
    recorder = Recorder(tmp_path, disk=slow_disk)
    recording = recorder.begin()
    assert slow_disk.reached.wait(30)
    filling = wire(CLIENT, b"f" * 60_000)
    direction = Direction()
    first = direction.chunks(wire(VENDOR, b"1" * 100_000), 70_000)
    recording.vendor_sent(first[0])
    while recorder.recordings._thread.waiting + len(filling) + 1000 < MOST_WAITING:
        recording.client_sent(Chunk(DIALLED_MS, filling))
    gap = [first[1], *direction.chunks(wire(VENDOR, {"type": "AgentAudioDone"}) + wire(VENDOR, b"2" * 100_000), 65_000)]
    for chunk in gap[:-1]:
        recording.vendor_sent(chunk)
    slow_disk.may_write.set()
    assert slow_disk.wrote.wait(30)
    recording.vendor_sent(
        Chunk(DIALLED_MS, gap[-1].data + wire(VENDOR, {"type": "SettingsApplied"}, b"3"), gap[-1].rest)
    )
    recording.ended()
    recorder.close()
    session = recorder.read()
    vendor = [
        session.audio_of(line) if line.payload["type"] == AUDIO else line.payload
        for line in session.lines
        if VENDOR in (line.direction, line.payload.get("direction")) and line.payload["type"] != "(audio file)"
    ]
    lost = sum(len(chunk.data) for chunk in gap[:-1])
    assert vendor == [
        b"1" * (len(first[0].data) - 10),
        {"type": LOST, "bytes": lost, "direction": VENDOR},
        {"type": LOST, "bytes": len(gap[-1].data), "direction": VENDOR},
        {"type": "SettingsApplied"},
        b"3",
    ]


def test_settings_and_events_are_kept_when_audio_is_lost(tmp_path: Path, slow_disk: SlowDisk) -> None:
    recorder = Recorder(tmp_path, disk=slow_disk)
    talker, other = recorder.begin("talker"), recorder.begin("other")
    assert slow_disk.reached.wait(30)
    for _ in range(2 * MOST_WAITING // 60_000):
        talker.vendor_sent(Chunk(DIALLED_MS, wire(VENDOR, bytes(60_000))))
    other.happened("opened", 0, {})
    other.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {"type": "Settings"})))
    given = RESERVE // OVERHEAD + 1000
    for number in range(given):
        other.happened("turn", 0, {"number": number})
    slow_disk.may_write.set()
    other.ended()
    recorder.close()
    first, second, *_, lost, ended = (line.payload for line in recorder.read("other").lines)
    assert (first, second, ended) == ({"type": "opened"}, {"type": "Settings"}, {"type": ENDED, "close_reason": ""})
    assert (lost["type"], lost["direction"]) == (LOST, "gateway")
    kept = sum(line.payload["type"] == "turn" for line in recorder.read("other").lines)
    assert kept < given
    assert lost["events"] == given - kept


def test_a_disk_that_hangs_holds_nobody(tmp_path: Path, slow_disk: SlowDisk) -> None:
    recorder = Recorder(tmp_path, disk=slow_disk)
    recorder.begin().ended()
    assert slow_disk.reached.wait(30)
    recorder.close(within_seconds=0.01)
    assert recorder.recordings.sentences() == [
        f"the last recordings in {tmp_path} lack their end: the disk did not take it in time"
    ]


class BreakingDisk(Disk):
    """Writes half of what is too much, and then fails as a full disk does."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def _write(self, file: BinaryIO, data: bytes) -> None:
        if len(data) > self.room:
            super()._write(file, data[: self.room])
            raise OSError(28, "No space left on device")
        self.room -= len(data)
        super()._write(file, data)


@pytest.mark.parametrize("room", [0, 100, 1000, 5000])
def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, room: int) -> None:
    disk = BreakingDisk(room)
    recorder = Recorder(tmp_path, disk=disk)
    recording = recorder.begin()
    for number in range(50):
        recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {"type": "InjectUserMessage", "content": str(number)})))
    recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, b"audio")))
    recording.ended()
    recorder.close()
    session = recorder.read()
    assert not session.complete
    said = [line.payload.get("content") for line in session.lines if line.direction == CLIENT]
    assert said == [str(number) for number in range(len(said))]
    assert recorder.recordings.sentences() == [
        f"recordings of 1 session end early, or were never begun: {tmp_path}: No space left on device"
    ]


class OnceFullDisk(Disk):
    """Has no room for the end of the second lines that come, and has room again afterwards."""

    writes = 0

    def _write(self, file: BinaryIO, data: bytes) -> None:
        self.writes += data.startswith(b'{"request_id"')
        if self.writes == 2:
            self.writes += 1
            super()._write(file, data[:-10])
            raise OSError(28, "No space left on device")
        super()._write(file, data)


def test_a_recording_that_had_to_end_says_so_after_its_last_whole_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, disk=OnceFullDisk())
    recording = recorder.begin()
    for _ in range(100):
        recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {"type": "KeepAlive"}, bytes(50_000))))
    recorder.close()
    *lines, last = recorder.read().lines
    assert (recorder.folder_of() / "session.jsonl").read_bytes().count(b"\n") == len(lines) + 1
    assert last.payload == {"type": STOPPED, "why": f"{tmp_path}: No space left on device"}


@pytest.mark.parametrize("place", ["file", "link"])
def test_no_file_is_written_where_one_is_already(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("theirs", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        Disk().create(tmp_path / place)
    assert not (tmp_path / "elsewhere").exists()


def test_a_run_s_recordings_take_no_more_than_they_may(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, room=RunRoom(most_audio=100_000))
    recordings = [recorder.begin("a"), recorder.begin("b")]
    for _ in range(20):
        for recording in recordings:
            recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, bytes(10_000))))
    for recording in recordings:
        recording.ended()
    recorder.close()
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 102_000
    assert {recorder.read(name).lines[-1].payload["type"] for name in "ab"} == {STOPPED}
    (sentence,) = recorder.recordings.sentences()
    assert sentence.startswith("recordings of 2 sessions end early")


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    recorder = Recorder(tmp_path / "file" / "recordings")
    recording = recorder.begin()
    recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {})))
    recording.ended()
    recorder.close()
    (sentence,) = recorder.recordings.sentences()
    assert sentence.endswith("/file/recordings: File exists")


def test_an_error_of_our_own_ends_one_recording_and_shows_nothing_of_it(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        if folder.name == "broken":
            raise ValueError("the secret")

    recorder = Recorder(tmp_path)
    disk = recorder.recordings._disk
    make_folder = disk.make_folder
    disk.make_folder = lambda folder: broken(folder) or make_folder(folder)  # type: ignore[method-assign, func-returns-value]
    for name in ("broken", "whole"):
        recorder.begin(name).ended()
    recorder.close()
    assert recorder.read("whole").complete
    assert recorder.recordings.sentences() == [
        f"recordings of 1 session end early, or were never begun: {tmp_path}: ValueError"
    ]
