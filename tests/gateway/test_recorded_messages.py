"""Messages are put together from the frames of one direction, and what is no message is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.frames import BINARY, CONTINUATION, TEXT, frame
from pytest_dgbudget.gateway.recorded_messages import RecordedMessages
from pytest_dgbudget.recording.disk import Disk
from pytest_dgbudget.recording.lines import AUDIO, LOST
from pytest_dgbudget.recording.reading import RecordedSession, read_recording
from pytest_dgbudget.recording.room import RunRoom
from pytest_dgbudget.recording.scrubbing import Scrubber
from pytest_dgbudget.recording.writing import RecordingWriter
from tests.support.recordings import ATTEMPT, CLIENT, DIALLED_AT, DIALLED_MS, SESSION, TAG, Direction, wire

PING, PONG = 0x9, 0xA


class Recorded:
    """What the client sends, recorded without a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ATTEMPT / SESSION
        self._writer = RecordingWriter(
            Disk(),
            RunRoom().share(),
            self._folder,
            keeps_audio=True,
            dialled_at=DIALLED_AT,
            dialled_ms=DIALLED_MS,
            scrubber=Scrubber([]),
            tag=TAG,
        )
        self.messages = RecordedMessages(self._writer, CLIENT)

    def sends(self, *frames: bytes) -> None:
        self.messages.passed(Chunk(DIALLED_MS, b"".join(frames)))

    def read(self) -> RecordedSession:
        self.messages.end()
        self._writer.end()
        self._writer.close()
        return read_recording(self._folder)

    def payloads(self) -> list[object]:
        return [line.payload for line in self.read().lines][:-1]


@pytest.fixture
def client(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_control_frames_are_not_recorded_also_within_a_message(client: Recorded) -> None:
    ping, pong = frame(PING, b"{}", mask=True), frame(PONG, b"", mask=True)
    client.sends(
        ping, frame(TEXT, b'{"a":', mask=True, final=False), pong, frame(CONTINUATION, b" 1}", mask=True), ping
    )
    assert client.payloads() == [{"a": 1}]


def test_what_is_no_message_of_the_protocol_is_a_gap(client: Recorded) -> None:
    client.sends(frame(CONTINUATION, b"alone", mask=True), frame(0x3, b"reserved", mask=True), wire(CLIENT, {}))
    lost = [{"type": LOST, "bytes": size, "direction": CLIENT} for size in (len("alone"), len("reserved"))]
    assert client.payloads() == [*lost, {}]


def test_a_frame_that_began_in_a_gap_is_not_taken_for_one_that_began_before_it(client: Recorded) -> None:
    """Both lack the same number of bytes where they are cut."""
    before, _ = Direction().chunks(wire(CLIENT, b"1" * 100_000), 70_000)
    lost, after = Direction().chunks(wire(CLIENT, b"2" * 100_000), 70_000)
    client.messages.passed(before)
    client.messages.lost(after.rest + len(lost.data))
    client.messages.passed(after)
    client.sends(wire(CLIENT, {"type": "KeepAlive"}))
    session = client.read()
    assert set(session.audio[CLIENT]) == {ord("1")}
    assert session.lines[-2].payload == {"type": "KeepAlive"}


def test_a_message_in_fragments_after_a_gap_in_it_is_left_out(client: Recorded) -> None:
    client.sends(frame(BINARY, b"ab", mask=True, final=False))
    client.messages.lost(10)
    client.sends(frame(CONTINUATION, b"cd", mask=True), wire(CLIENT, b"whole"))
    session = client.read()
    assert session.audio == {CLIENT: b"abwhole"}
    assert [line.payload for line in session.lines if line.payload["type"] in (AUDIO, LOST)] == [
        {"type": AUDIO, "bytes": 2, "offset": 0, "cut": True},
        {"type": LOST, "bytes": 10, "direction": CLIENT},
        {"type": LOST, "bytes": 2, "direction": CLIENT},
        {"type": AUDIO, "bytes": 5, "offset": 2},
    ]
