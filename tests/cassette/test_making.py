"""A cassette is made of a recording that is whole; of any other, an error says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteFacts, CassetteText
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support.cassettes import cassette, ended
from tests.support.recorded_sessions import WELCOME, settings
from tests.support.recordings import CLIENT, DIALLED_AT, VENDOR


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
        ],
    )
    welcome, _, request, response, history = texts(made)
    assert welcome["request_id"] == "request-1"
    assert [each["id"] for each in request["functions"]] == ["call-1", "call-2"]
    assert request["functions"][0]["arguments"] == '{"of": "request-1"}'
    assert (response["id"], response["content"]) == ("call-2", "7 of request-1")
    assert history["function_calls"][0]["response"] == "call-1, call_a81Zq01"
