"""A cassette is made of a recording that is whole; of any other, an error says why not."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteFacts, CassetteText
from pytest_dgbudget.cassette.making import cassette_of
from pytest_dgbudget.cassette.store import cassettes_in, read_cassette, write_cassettes
from pytest_dgbudget.errors import CassetteError, CassetteRefused
from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.recording.lines import LEFT_OUT, LOST, STOPPED
from pytest_dgbudget.recording.reading import RecordedSession, read_recording
from pytest_dgbudget.rules.audio import UNKNOWN_AUDIO, AudioFormat
from tests.support.cassettes import CONVERSATION, cassette, ended
from tests.support.recorded_sessions import WELCOME, Step, record, settings
from tests.support.recordings import CLIENT, DIALLED_AT, DIALLED_MS, SESSION, VENDOR, Recorder, wire


def texts(made: Cassette) -> list[Any]:
    return [event.payload for event in made.events if isinstance(event, CassetteText)]


def test_it_knows_what_the_session_took_and_how_it_ended(tmp_path: Path) -> None:
    made = cassette(tmp_path, end=ended(3000, closed_by="server", close_code=1011), reason="gone")
    assert made.facts == CassetteFacts(
        recorded_at=DIALLED_AT,
        ms=3000,
        handshake_ms=150,
        micro_usd=3750,
        tier="standard",
        closed_by="server",
        close_code=1011,
        close_reason="gone",
    )


def test_it_has_what_passed_in_order_with_times_since_the_dial(tmp_path: Path) -> None:
    made = cassette(
        tmp_path,
        [WELCOME, settings(), (300, CLIENT, b"user"), (310, VENDOR, b"agent!"), (320, VENDOR, {"type": "Done"})],
    )
    told = [
        (event.at_ms, event.side, event.size if isinstance(event, CassetteAudio) else event.line)
        for event in made.events
    ]
    assert told == [
        (200, VENDOR, 1),
        (210, CLIENT, 2),
        (300, CLIENT, 4),
        (310, VENDOR, 6),
        (320, VENDOR, 4),
    ]
    assert made.audio == {CLIENT: b"user", VENDOR: b"agent!"}
    assert made.formats == {CLIENT: AudioFormat("linear16", 8000), VENDOR: AudioFormat("linear16", 8000)}


def test_ids_are_numbered_wherever_they_stand(tmp_path: Path) -> None:
    call = {"id": "call_a81Zq0", "name": "f", "arguments": '{"of": "4f0c-request"}', "client_side": True}
    made = cassette(
        tmp_path,
        [
            WELCOME,
            settings(),
            (300, VENDOR, {"type": "FunctionCallRequest", "functions": [call, {**call, "id": "7"}]}),
            (310, CLIENT, {"type": "FunctionCallResponse", "id": "7", "name": "f", "content": "7 of 4f0c-request"}),
            (320, VENDOR, {"type": "History", "function_calls": [{**call, "response": "call_a81Zq0, call_a81Zq01"}]}),
            (330, CLIENT, {"type": "InjectUserMessage", "of": {"call_a81Zq0": ["call_a81Zq0"]}}),
        ],
    )
    welcome, _, request, response, history, injected = texts(made)
    assert welcome["request_id"] == "request-1"
    assert [each["id"] for each in request["functions"]] == ["call-1", "call-2"]
    assert request["functions"][0]["arguments"] == '{"of": "request-1"}'
    assert (response["id"], response["content"]) == ("call-2", "7 of request-1")
    assert history["function_calls"][0]["response"] == "call-1, call_a81Zq01"
    assert injected["of"] == {"call-1": ["call-1"]}


def lines_of(tmp_path: Path, name: str, steps: Sequence[Step]) -> str:
    (folder,) = write_cassettes(tmp_path / name / "test", [cassette(tmp_path / name, steps)])
    return (folder / "session.jsonl").read_text()


def test_recorded_again_the_same_conversation_has_the_same_lines(tmp_path: Path) -> None:
    renamed = json.dumps([[who, what] for _, who, what in CONVERSATION if not isinstance(what, bytes)])
    for old, new in [("4f0c-request", "77aa-request"), ("call_a81Zq0", "call_Zz91xx"), ("0.42", "1.3"), ("0.981", "2")]:
        assert old in renamed
        renamed = renamed.replace(old, new)
    messages = iter(json.loads(renamed))
    random = Random(1)
    again: list[Step] = []
    at_ms = 0
    for _, who, what in CONVERSATION:
        at_ms += random.randint(0, 90)
        if isinstance(what, bytes):
            again += [(at_ms, who, what[:111]), (at_ms + 1, who, what[111:])]
        else:
            again.append((at_ms, *next(messages)))
        again += [(at_ms, CLIENT, {"type": "KeepAlive"})] * (random.random() < 0.3)
    assert lines_of(tmp_path, "again", again) == lines_of(tmp_path, "first", CONVERSATION)


def test_lines_can_be_read_by_people_of_all_languages(tmp_path: Path) -> None:
    said = {"type": "ConversationText", "role": "user", "content": "Größe 😀 \u2028 \ud800"}
    text = lines_of(tmp_path, "one", [WELCOME, (300, VENDOR, {"type": "A", "b": "Größe 😀"}), (310, VENDOR, said)])
    assert '{"from": "server", "message": {"type": "A", "b": "Größe 😀"}}\n' in text
    assert json.loads(text.split("\n")[2])["message"] == said


def test_a_latency_stands_beside_the_lines_and_is_there_when_it_is_read(tmp_path: Path) -> None:
    report = {"type": "LatencyReport", "stt_latency": 0.25, "total_latency": None, "more": 5}
    steps = [WELCOME, (300, VENDOR, report), (310, VENDOR, {"type": "ConversationText", "stt_latency": 1.5})]
    text = lines_of(tmp_path, "one", steps)
    assert '"stt_latency": "(seconds)", "total_latency": null, "more": 5}' in text
    assert '"stt_latency": 1.5}' in text
    (found,) = cassettes_in(tmp_path / "one" / "test")
    assert texts(found)[1] == report


def test_a_name_that_the_conversation_has_for_something_else_is_not_given(tmp_path: Path) -> None:
    call = {"id": "call_a81Zq0", "name": "f", "arguments": "{}"}
    steps = [
        WELCOME,
        (300, VENDOR, {"type": "FunctionCallRequest", "functions": [call]}),
        (310, CLIENT, {"type": "InjectUserMessage", "content": "call-1, recall-3, request-1?"}),
    ]
    welcome, request, _ = texts(cassette(tmp_path, steps))
    assert welcome["request_id"] == "request-2"
    assert request["functions"][0]["id"] == "call-2"


def test_what_the_client_said_first_is_no_id_of_the_vendors(tmp_path: Path) -> None:
    context = {"messages": [{"type": "History", "function_calls": [{"id": "call_of_mine_1", "name": "f"}]}]}
    call = {"id": "call_of_mine_1", "name": "f", "thought_signature": "Zx/9+=="}
    echo = {"type": "History", "function_calls": [call]}
    steps = [WELCOME, (210, CLIENT, {"type": "Settings", "agent": {"context": context}}), (300, VENDOR, echo)]
    _, sent, echoed = texts(cassette(tmp_path, steps))
    assert sent["agent"]["context"] == context
    assert echoed["function_calls"] == [{**call, "thought_signature": "signature-1"}]


def test_a_message_that_was_cut_off_is_none(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recording = recorder.begin()
    for name, at_ms, fields in [("SessionDialled", 0, {}), (ended()[2][0], 3000, ended()[2][1])]:
        recording.happened(name, at_ms, fields)
    recording.client_sent(Chunk(DIALLED_MS + 5, wire(CLIENT, settings()[2], b"whole")))
    begun = wire(CLIENT, b"never ended")
    recording.client_sent(Chunk(DIALLED_MS + 6, begun[:12], 0))
    recording.ended()
    recorder.close()
    made = cassette_of(recorder.read())
    assert made.audio[CLIENT] == b"whole"
    assert [event.size for event in made.events if isinstance(event, CassetteAudio)] == [5]


@pytest.mark.parametrize(
    ("encoding", "name", "found"),
    [
        ("linear16", "user.flac", AudioFormat("linear16", 8000)),
        ("linear32", "user.wav", AudioFormat("linear32", 8000)),
        ("mulaw", "user.wav", AudioFormat("mulaw", 8000)),
        ("alaw", "user.wav", AudioFormat("alaw", 8000)),
        ("opus", "user.opus", AudioFormat("opus", 8000)),
        ("mp3", "user.mp3", AudioFormat("mp3", 8000)),
        ("amr-wb", "user.awb", AudioFormat("amr-wb", 8000)),
        ("a word of the client's own", "user.raw", UNKNOWN_AUDIO),
    ],
)
@pytest.mark.parametrize("audio", [b"even", b"odd"])
def test_audio_has_a_file_of_its_kind(
    tmp_path: Path, encoding: str, name: str, found: AudioFormat, audio: bytes
) -> None:
    made = cassette(tmp_path / "recordings", [WELCOME, settings(encoding), (300, CLIENT, audio)])
    (folder,) = write_cassettes(tmp_path / "test", [made])
    if len(audio) % 2 and name.endswith(".flac"):
        name = "user.wav"
    assert sorted(file.name for file in folder.iterdir()) == ["recording.json", "session.jsonl", name]
    assert audio in (folder / name).read_bytes() or name.endswith(".flac")
    assert read_cassette(folder) == replace(made, folder=folder)
    assert made.formats[CLIENT] == found


@pytest.mark.parametrize("container", ["wav", "ogg"])
def test_audio_in_a_container_has_no_samples(tmp_path: Path, container: str) -> None:
    sent = settings()[2]
    sent["audio"]["output"]["container"] = container
    made = cassette(tmp_path / "recordings", [WELCOME, (210, CLIENT, sent), (300, VENDOR, b"RIFFdata")])
    assert made.formats[VENDOR].bytes_per_sample is None
    (folder,) = write_cassettes(tmp_path / "test", [made])
    assert read_cassette(folder) == replace(made, folder=folder)


def test_audio_that_never_came_has_the_format_that_was_asked_for(tmp_path: Path) -> None:
    made = cassette(
        tmp_path / "recordings", [WELCOME, settings("mulaw", output_encoding="linear16", output_rate=24_000)]
    )
    assert made.formats == {CLIENT: AudioFormat("mulaw", 8000), VENDOR: AudioFormat("linear16", 24_000)}
    (folder,) = write_cassettes(tmp_path / "test", [made])
    assert sorted(file.name for file in folder.iterdir()) == ["recording.json", "session.jsonl"]
    assert read_cassette(folder) == replace(made, folder=folder)


def test_without_soundfile_audio_is_wav_and_a_flac_file_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cassette(tmp_path / "recordings")
    (with_it,) = write_cassettes(tmp_path / "with", [made])
    monkeypatch.setitem(sys.modules, "soundfile", None)
    (without,) = write_cassettes(tmp_path / "without", [made])
    assert {file.name for file in without.iterdir()} >= {"user.wav", "agent.wav"}
    assert read_cassette(without) == replace(made, folder=without)
    with pytest.raises(CassetteError, match=r"user\.flac: .*pip install 'pytest-dgbudget\[audio\]'"):
        read_cassette(with_it)


@pytest.mark.parametrize("rate", [1000, 176_401, 192_000])
def test_a_rate_that_flac_has_not_is_no_obstacle(tmp_path: Path, rate: int) -> None:
    made = cassette(tmp_path / "recordings", [WELCOME, settings(rate=rate), (300, CLIENT, bytes(range(200)))])
    (folder,) = write_cassettes(tmp_path / "test", [made])
    assert read_cassette(folder) == replace(made, folder=folder)


# What makes no cassette


def refusal(recorded: RecordedSession) -> str:
    with pytest.raises(CassetteError) as error:
        cassette_of(recorded)
    return str(error.value)


def recorded(folder: Path, end: Step | None = None, **options: Any) -> RecordedSession:
    return read_recording(record(folder, [*CONVERSATION, end or ended()], **options) / SESSION)


def test_a_recording_with_a_gap_makes_none(tmp_path: Path) -> None:
    whole = recorded(tmp_path)
    for direction in ("client_to_server", "gateway"):
        line = replace(whole.lines[4], direction="gateway", payload={"type": LOST, "direction": direction, "bytes": 9})
        with_gap = replace(whole, lines=(*whole.lines[:4], line, *whole.lines[4:]))
        assert refusal(with_gap) == "the recording has a gap: more passed than could be written in time"


def test_a_recording_that_stopped_makes_none(tmp_path: Path) -> None:
    whole = recorded(tmp_path)
    stopped = replace(whole.lines[-1], payload={"type": STOPPED, "why": "the disk is full"})
    stops = replace(whole, lines=(*whole.lines[:-1], stopped))
    assert refusal(stops) == "the recording ends before its session: the disk is full"


def test_a_recording_without_its_end_makes_none(tmp_path: Path) -> None:
    assert refusal(recorded(tmp_path / "a", ends=False)) == "the recording has no end"
    whole = recorded(tmp_path / "b")
    assert refusal(replace(whole, lines=whole.lines[:-1])) == "the recording has no end"
    assert refusal(replace(whole, lines=())) == "the recording has no end"


def test_a_recording_that_lacks_a_text_makes_none(tmp_path: Path) -> None:
    whole = recorded(tmp_path)
    line = replace(whole.lines[4], direction="server_to_client", payload={"type": LEFT_OUT, "bytes": 200_000})
    assert "lacks a text" in refusal(replace(whole, lines=(*whole.lines[:4], line, *whole.lines[4:])))


def test_a_recording_without_audio_makes_none(tmp_path: Path) -> None:
    assert refusal(recorded(tmp_path / "a", keeps_audio=False)) == "the recording was made without audio"
    whole = recorded(tmp_path / "b")
    short = replace(whole, audio={**whole.audio, VENDOR: whole.audio[VENDOR][:-7]})
    assert refusal(short) == "the recording lacks 7 bytes of the agent's audio"


@pytest.mark.parametrize("usage", [{"ms": None}, {"ms": "[scrubbed]"}, {"handshake_ms": None}, {"closed_by": "?"}])
def test_a_session_of_which_too_little_is_known_makes_none(tmp_path: Path, usage: dict[str, Any]) -> None:
    assert "its seconds are not known" in refusal(recorded(tmp_path, ended(**usage)))


def test_figures_that_dg_scrub_has_replaced_are_unknown(tmp_path: Path) -> None:
    facts = cassette(tmp_path, end=ended(micro_usd="[scrubbed]", tier=None, close_code="[scrubbed]")).facts
    assert (facts.micro_usd, facts.tier, facts.close_code) == (None, None, None)


def test_a_message_nested_too_deeply_makes_none(tmp_path: Path) -> None:
    deep: Any = "deep"
    for _ in range(101):
        deep = [deep]
    made = cassette(tmp_path / "recordings", [*CONVERSATION, (2900, VENDOR, deep)])
    with pytest.raises(CassetteError, match=r"line 15 of session 1 \(server\) is nested too deeply"):
        write_cassettes(tmp_path / "test", [made])


# Whatever passed


@st.composite
def sessions(draw: st.DrawFn) -> list[Step]:
    texts = st.text() | st.sampled_from(
        ["4f0c-request", "request-1", "(seconds)", "(audio)", "(not JSON)", "of 4f0c-request.", '{"a": "4f0c-request"}']
    )
    numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    values = st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    )
    kinds = st.sampled_from(["History", "LatencyReport", "FunctionCallRequest", "FunctionCallResponse", "KeepAlive"])
    messages = st.fixed_dictionaries({"type": kinds}) | st.fixed_dictionaries(
        {"type": kinds | texts},
        optional={
            "total_latency": values.filter(lambda value: value != "(seconds)"),  # which no vendor says there
            "functions": values,
            "function_calls": values,
            "id": texts,
            "content": values,
        },
    )
    passed = draw(
        st.lists(
            st.tuples(
                st.integers(0, 50), st.sampled_from([CLIENT, VENDOR]), messages | st.binary(max_size=30) | values
            ),
            max_size=25,
        )
    )
    steps = [WELCOME, settings()] if draw(st.booleans()) else []
    at_ms = 300
    for later, who, what in passed:
        at_ms += later
        steps.append((at_ms, who, what))
    return steps


@given(steps=sessions())
def test_whatever_passed_is_read_back(steps: list[Step]) -> None:
    with TemporaryDirectory() as folder:
        made = cassette(Path(folder) / "recordings", steps)
        try:
            (written,) = write_cassettes(Path(folder) / "test", [made])
        except CassetteRefused:
            assume(False)
        read = read_cassette(written)
        assert without_marks(read) == without_marks(replace(made, folder=written))
        (again,) = write_cassettes(Path(folder) / "again", [read])
        assert {file.name: file.read_bytes() for file in written.iterdir()} == {
            file.name: file.read_bytes() for file in again.iterdir()
        }


def without_marks(made: Cassette) -> Cassette:
    return replace(
        made, events=tuple(replace(e, scrubbed=()) if isinstance(e, CassetteText) else e for e in made.events)
    )
