"""A session's recording has what went both ways, in order."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.frames import BINARY, TEXT
from pytest_dgbudget.gateway.recorded_messages import LONGEST_TEXT
from pytest_dgbudget.gateway.relay import LONGEST_SETTINGS
from pytest_dgbudget.recording.lines import AUDIO, ENDED, LEFT_OUT, Side, payload_of
from pytest_dgbudget.recording.reading import RecordedSession
from pytest_dgbudget.recording.scrubbing import Scrubber
from tests.support.recordings import CLIENT, DIALLED_MS, SESSION, TAG, VENDOR, Direction, Recorder, message, wire

WELCOME = {"type": "Welcome", "request_id": "4f0c-request"}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.dictionaries(st.text(max_size=5), VALUES, max_size=3).map(lambda fields: {**fields, "type": "History"})


@dataclass(frozen=True)
class Sent:
    """A message, and how it comes: in which fragments."""

    opcode: int
    payload: bytes
    cuts: tuple[int, ...]

    @property
    def expected(self) -> Any:
        """Generated keys may name secrets, by chance; scrubbing has tests of its own."""
        return Scrubber([]).scrub(payload_of(self.payload.decode())) if self.opcode == TEXT else self.payload


CUTS = st.lists(st.integers(0, 400), max_size=2).map(tuple)
TEXTS = st.builds(
    lambda fields, ascii_, cuts: Sent(TEXT, json.dumps(fields, ensure_ascii=ascii_).encode(), cuts),
    MESSAGES,
    st.booleans(),
    CUTS,
)
SHORT_AUDIO = st.binary(max_size=300)
LONG_AUDIO = st.integers(66_000, 140_000).map(lambda size: bytes(range(256)) * (size // 256))
AUDIO_MESSAGES = st.builds(Sent, st.just(BINARY), SHORT_AUDIO | SHORT_AUDIO | LONG_AUDIO, CUTS)
STREAMS = st.lists(TEXTS | AUDIO_MESSAGES, max_size=6)


def in_pieces(sent: list[Sent], cuts: list[int], *, mask: bool) -> tuple[list[bytes], list[int]]:
    """Return a direction's bytes in pieces, and where each message ends among them."""
    wires = [message(each.opcode, each.payload, mask=mask, cuts=each.cuts) for each in sent]
    whole = b"".join(wires)
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    ends = [len(b"".join(wires[: number + 1])) for number in range(len(wires))]
    return [whole[begin:end] for begin, end in pairwise(places)], ends


def what_was_read(session: RecordedSession) -> list[tuple[str, Any]]:
    return [
        (line.direction, session.audio_of(line) if line.payload.get("type") == AUDIO else line.payload)
        for line in session.lines
        if line.direction != "gateway"
    ]


@given(
    client=STREAMS,
    vendor=STREAMS,
    client_cuts=st.lists(st.integers(0, 300_000), max_size=6),
    vendor_cuts=st.lists(st.integers(0, 300_000), max_size=6),
    turns=st.lists(st.booleans(), max_size=20),
    begins_with=st.sampled_from(
        [None, {"type": "Settings"}, {"type": "Settings", "audio": {"input": {"encoding": "opus"}}}]
    ),
)
def test_what_passed_is_in_the_recording_in_order_whatever_the_chunks(
    client: list[Sent],
    vendor: list[Sent],
    client_cuts: list[int],
    vendor_cuts: list[int],
    turns: list[bool],
    begins_with: dict[str, Any] | None,
) -> None:
    if begins_with:
        client = [Sent(TEXT, json.dumps(begins_with).encode(), ()), *client]
    sides: dict[Side, list[Sent]] = {CLIENT: client, VENDOR: vendor}
    left = {CLIENT: in_pieces(client, client_cuts, mask=True), VENDOR: in_pieces(vendor, vendor_cuts, mask=False)}
    readers = {CLIENT: Direction(), VENDOR: Direction()}
    passed = {CLIENT: 0, VENDOR: 0}
    expected: list[tuple[str, Any]] = []
    with TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder))
        recording = recorder.begin()
        take = {CLIENT: recording.client_sent, VENDOR: recording.vendor_sent}
        for client_next in [*turns, *[True] * len(left[CLIENT][0]), *[False] * len(left[VENDOR][0])]:
            side = CLIENT if client_next else VENDOR
            pieces, ends = left[side]
            chunk = readers[side].chunk(DIALLED_MS, pieces.pop(0)) if pieces else None
            if chunk is not None:
                take[side](chunk)
                before, passed[side] = passed[side], passed[side] + len(chunk.data)
                ended = [number for number, end in enumerate(ends) if before < end <= passed[side]]
                expected += [(side, sides[side][number].expected) for number in ended]
        recording.ended()
        recorder.close()
        session = recorder.read()
    assert what_was_read(session) == expected
    assert [line.seq for line in session.lines] == list(range(1, len(session.lines) + 1))
    assert session.complete


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "recordings")


def test_every_line_has_the_envelope_that_the_vendor_recommends(recorder: Recorder) -> None:
    recording = recorder.begin()
    recording.happened("opened", 50, {"handshake_ms": 50})
    recording.vendor_sent(Chunk(DIALLED_MS + 99, wire(VENDOR, WELCOME)))
    recording.client_sent(Chunk(DIALLED_MS + 100, wire(CLIENT, {"type": "Settings"})))
    recording.ended()
    recorder.close()
    lines = (recorder.folder_of() / "session.jsonl").read_text(encoding="utf-8").splitlines()
    envelope = {"request_id": "4f0c-request", "session_id": SESSION}
    ended = {"type": ENDED, "close_reason": ""}
    assert [json.loads(line) for line in lines] == [
        {
            **envelope,
            "seq": 1,
            "ts": "2026-11-30T23:59:59.950Z",
            "direction": "gateway",
            "payload": {"type": "opened", "handshake_ms": 50},
        },
        {**envelope, "seq": 2, "ts": "2026-11-30T23:59:59.999Z", "direction": VENDOR, "payload": WELCOME},
        {**envelope, "seq": 3, "ts": "2026-12-01T00:00:00.000Z", "direction": CLIENT, "payload": {"type": "Settings"}},
        {
            **envelope,
            "seq": 4,
            "ts": "2026-12-01T00:00:00.000Z",
            "direction": "gateway",
            "payload": ended,
        },
    ]
    assert list(json.loads(lines[0])) == ["request_id", "session_id", "seq", "ts", "direction", "payload"]


def test_the_tag_that_the_gateway_added_is_not_recorded(recorder: Recorder) -> None:
    recording = recorder.begin()
    recording.client_sent(Chunk(DIALLED_MS, wire(CLIENT, {"type": "Settings", "tags": ["mine", TAG]})))
    recorder.close()
    assert recorder.read().lines[0].payload == {"type": "Settings", "tags": ["mine"]}


def test_what_can_not_stand_for_itself_is_told_from_messages(recorder: Recorder) -> None:
    forged = {"type": AUDIO, "bytes": 5, "offset": 0}
    recording = recorder.begin()
    for text in (b"no JSON", b"\xff", b'{"n": NaN}', b'{"n": 1e999}', json.dumps(forged).encode()):
        recording.vendor_sent(Chunk(DIALLED_MS, message(TEXT, text, mask=False)))
    recorder.close()
    assert [line.payload for line in recorder.read().lines] == [
        {"type": "(not JSON)", "text": text}
        for text in ("no JSON", "\ufffd", '{"n": NaN}', '{"n": 1e999}', json.dumps(forged))
    ]


def test_what_is_recorded_of_a_client_is_as_long_as_what_the_relay_reads() -> None:
    assert LONGEST_TEXT == LONGEST_SETTINGS


def test_a_text_that_is_too_long_is_left_out(recorder: Recorder) -> None:
    longest = json.dumps("x" * (LONGEST_TEXT - 2)).encode()
    assert len(longest) == LONGEST_TEXT
    recording = recorder.begin()
    for text in (longest, longest + b" ", b"{}"):
        for chunk in Direction().chunks(message(TEXT, text, mask=True), 60_000):
            recording.client_sent(chunk)
    recorder.close()
    first, second, third = (line.payload for line in recorder.read().lines)
    assert len(first) == LONGEST_TEXT - 2
    assert second == {"type": LEFT_OUT, "bytes": LONGEST_TEXT + 1}
    assert third == {}


def test_a_message_that_the_end_cuts_is_said_to_be_cut(recorder: Recorder) -> None:
    recording = recorder.begin()
    audio = message(BINARY, b"a" * 70_000, mask=False)
    recording.vendor_sent(Chunk(DIALLED_MS, audio[:1010]))
    recording.client_sent(Chunk(DIALLED_MS, message(TEXT, b"{}" + b" " * 98, mask=True, cuts=(50,))[:56]))
    recording.ended()
    recorder.close()
    session = recorder.read()
    assert [line.payload for line in session.lines if line.direction != "gateway"] == [
        {"type": LEFT_OUT, "bytes": 50},
        {"type": AUDIO, "bytes": 1000, "offset": 0, "cut": True},
    ]


def test_a_recording_is_for_its_owner_alone_and_takes_no_place_that_is_taken(recorder: Recorder) -> None:
    first = recorder.begin()
    first.client_sent(Chunk(DIALLED_MS, wire(CLIENT, b"audio")))
    first.ended()
    again = recorder.begin()
    again.ended()
    recorder.close()
    folder = recorder.folder_of()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert recorder.read().complete
    (sentence,) = recorder.recordings.sentences()
    assert "1 session end early, or were never begun" in sentence
    assert "File exists" in sentence
