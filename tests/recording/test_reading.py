"""A recording is read back, whatever its audio is, and up to its last whole line when its writer was killed."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.recording.lines import AUDIO, AUDIO_FILE
from pytest_dgbudget.recording.reading import RecordedSession, read_recording
from tests.support.recordings import ATTEMPT, CLIENT, DIALLED_MS, SESSION, VENDOR, Recorder, wire


def recorded(folder: Path, *, from_client: bytes = b"", from_vendor: bytes = b"") -> RecordedSession:
    recorder = Recorder(folder)
    recording = recorder.begin()
    if from_client:
        recording.client_sent(Chunk(DIALLED_MS, from_client))
    if from_vendor:
        recording.vendor_sent(Chunk(DIALLED_MS, from_vendor))
    recording.ended()
    recorder.close()
    return recorder.read()


def settings(**audio: Any) -> dict[str, Any]:
    return {"type": "Settings", "audio": audio}


@pytest.mark.parametrize(
    ("audio", "name"),
    [
        ({}, "user.wav"),
        ({"encoding": "linear16", "sample_rate": 16_000}, "user.wav"),
        ({"encoding": "mulaw", "sample_rate": 8000}, "user.wav"),
        ({"encoding": "linear32", "sample_rate": 8000}, "user.wav"),
        ({"encoding": "opus", "sample_rate": 8000}, "user.opus"),
        ({"encoding": "../../etc", "sample_rate": 8000}, "user.raw"),
        ({"encoding": "linear16", "sample_rate": 8000, "container": "ogg"}, "user.ogg"),
        ({"encoding": "linear16", "sample_rate": 8000, "container": "wav"}, "user.raw"),
        ({"encoding": "linear16", "sample_rate": "8000"}, "user.raw"),
    ],
)
def test_audio_stands_in_a_file_of_its_kind(tmp_path: Path, audio: dict[str, Any], name: str) -> None:
    session = recorded(tmp_path, from_client=wire(CLIENT, settings(input=audio), b"one", b"", b"three"))
    assert sorted(file.name for file in (tmp_path / ATTEMPT / SESSION).iterdir()) == ["session.jsonl", name]
    assert session.audio == {CLIENT: b"onethree"}
    assert [session.audio_of(line) for line in session.lines if line.payload["type"] == AUDIO] == [
        b"one",
        b"",
        b"three",
    ]
    (begins,) = (line.payload for line in session.lines if line.payload["type"] == AUDIO_FILE)
    assert (begins["direction"], begins["name"]) == (CLIENT, name)


def test_each_direction_has_its_own_format(tmp_path: Path) -> None:
    formats = settings(
        input={"encoding": "linear16", "sample_rate": 8000}, output={"encoding": "mp3", "sample_rate": 24_000}
    )
    session = recorded(tmp_path, from_client=wire(CLIENT, formats, b"user"), from_vendor=wire(VENDOR, b"agent"))
    assert session.audio == {CLIENT: b"user", VENDOR: b"agent"}
    with wave.open(str(tmp_path / ATTEMPT / SESSION / "user.wav"), "rb") as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 2)
    assert (tmp_path / ATTEMPT / SESSION / "agent.mp3").read_bytes() == b"agent"


def test_a_wav_file_of_an_odd_number_of_bytes_is_padded_and_its_audio_is_not(tmp_path: Path) -> None:
    session = recorded(tmp_path, from_client=wire(CLIENT, settings(), b"odd"))
    assert session.audio == {CLIENT: b"odd"}
    file = (tmp_path / ATTEMPT / SESSION / "user.wav").read_bytes()
    assert len(file) == 44 + 4 == int.from_bytes(file[4:8], "little") + 8


def test_audio_before_settings_is_raw_and_said_to_be_unknown(tmp_path: Path) -> None:
    session = recorded(tmp_path, from_client=wire(CLIENT, b"early", settings(), b"late"))
    assert (tmp_path / ATTEMPT / SESSION / "user.raw").read_bytes() == b"earlylate"
    assert session.lines[0].payload["encoding"] == "unknown"


def test_a_line_that_is_no_audio_has_none(tmp_path: Path) -> None:
    session = recorded(tmp_path, from_client=wire(CLIENT, {"type": "KeepAlive"}))
    with pytest.raises(ValueError, match="not a binary message"):
        session.audio_of(session.lines[0])


@pytest.mark.parametrize("cut", range(1, 400, 7))
def test_a_recording_is_read_up_to_its_last_whole_line(tmp_path: Path, cut: int) -> None:
    whole = recorded(tmp_path, from_client=wire(CLIENT, {"type": "Settings"}, b"12", {"type": "KeepAlive"}))
    lines = tmp_path / ATTEMPT / SESSION / "session.jsonl"
    lines.write_bytes(lines.read_bytes()[:-cut])
    session = read_recording(tmp_path / ATTEMPT / SESSION)
    assert session.lines == whole.lines[: len(session.lines)]
    assert len(session.lines) == lines.read_bytes().count(b"\n")
    assert not session.complete


KILLED = """
import os, signal, sys
from pathlib import Path
from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.recording.disk import Disk
from tests.support.recordings import ATTEMPT, CLIENT, VENDOR, Recorder, wire

class Watched(Disk):
    left = 3
    def append(self, file, data):
        super().append(file, data)
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

recording = (recorder := Recorder(Path(sys.argv[1]), disk=Watched())).begin()
recording.vendor_sent(Chunk(0, wire(VENDOR, {"type": "Welcome", "request_id": "r"})))
for number in range(20000):
    recording.client_sent(Chunk(0, wire(CLIENT, {"type": "Settings", "n": number}, bytes(200))))
recorder.close()
"""


def test_a_recording_whose_writer_was_killed_is_read(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parent.parent.parent, timeout=60, check=False
    )
    assert ended.returncode == -9
    session = read_recording(tmp_path / ATTEMPT / SESSION)
    assert [line.payload["n"] for line in session.lines if line.payload["type"] == "Settings"] != []
    binary = [line for line in session.lines if line.payload["type"] == AUDIO]
    assert binary
    assert all(session.audio_of(line) == bytes(200) for line in binary)
    assert not session.complete


def test_lines_are_one_json_object_each(tmp_path: Path) -> None:
    recorded(tmp_path, from_vendor=wire(VENDOR, {"type": "ConversationText", "content": "zwei\nZeilen\u2028é\ud800"}))
    lines = (tmp_path / ATTEMPT / SESSION / "session.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert json.loads(lines[0])["payload"]["content"] == "zwei\nZeilen\u2028é\ud800"
