"""A real gateway records its sessions, where its settings say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.recording.reading import RecordedSession, read_recording
from tests.support.gateway import RunningGateway, opened
from tests.support.vendor import KEY, Vendor

SECRET = "sk-of-the-users-own-model-1234567890"
SETTINGS = {
    "type": "Settings",
    "tags": ["smoke"],
    "audio": {"input": {"encoding": "mulaw", "sample_rate": 8000}},
    "agent": {
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "endpoint": {"url": "https://llm.example", "headers": {"authorization": f"Bearer {SECRET}"}},
        }
    },
}
AUDIO = bytes(range(160)) * 3


def talk(gateway: RunningGateway) -> tuple[str, list[Any]]:
    """Hold one conversation; return the token that was shown and what came back."""
    token, came = gateway.grant().token, []
    with gateway.session(token) as session:
        came.append(json.loads(session.recv(10)))
        session.send(json.dumps(SETTINGS))
        came.append(json.loads(session.recv(10)))
        session.send(AUDIO)
        session.send(json.dumps({"type": "InjectUserMessage", "content": f"my token is {token}"}))
        came += [session.recv(10) for _ in range(4)]
    return token, came


def recorded(folder: Path) -> RecordedSession:
    (only,) = folder.glob("*/*")
    return read_recording(only)


def payloads(recording: RecordedSession, direction: str) -> list[Any]:
    return [line.payload for line in recording.lines if line.direction == direction]


@pytest.fixture
def recording(tmp_path: Path) -> tuple[RecordedSession, str, list[Any], Path]:
    folder = tmp_path / "recordings"
    with Vendor() as vendor, opened(vendor.url, tmp_path, recording_dir=folder) as gateway:
        token, came = talk(gateway)
    return recorded(folder), token, came, folder


def test_a_session_is_recorded_as_it_passed_in_order_and_with_its_end(
    recording: tuple[RecordedSession, str, list[Any], Path],
) -> None:
    session, _, came, _ = recording
    assert session.complete
    settings, audio, injected = payloads(session, "client_to_server")
    assert settings["tags"] == ["smoke"]
    assert (audio["bytes"], session.audio["client_to_server"]) == (len(AUDIO), AUDIO)
    assert injected["type"] == "InjectUserMessage"
    of_vendor = payloads(session, "server_to_client")
    assert [message["type"] for message in of_vendor] == [
        *("Welcome", "SettingsApplied", "ConversationText", "ConversationText", "(audio)", "AgentAudioDone"),
    ]
    assert session.audio["server_to_client"] == came[4]
    happened = [payload["type"] for payload in payloads(session, "gateway")]
    for event in ("SessionDialled", "SessionOpened", "SessionWelcomed", "SettingsPassed", "TierChanged", "TurnEnded"):
        assert event in happened
    assert [line.seq for line in session.lines] == list(range(1, len(session.lines) + 1))
    assert {line.request_id for line in session.lines} == {came[0]["request_id"]}


def test_every_line_has_the_instant_of_what_it_says(
    recording: tuple[RecordedSession, str, list[Any], Path],
) -> None:
    """Events count from the dial, and what passes is on the metering clock: lines show both as the same time."""
    session, *_ = recording
    instants = [read_instant(line.ts) for line in session.lines]
    first, last = instants[0], instants[-1]
    assert first is not None
    assert last is not None
    ended = next(line.payload for line in session.lines if line.payload["type"] == "SessionEnded")
    assert all(each is not None and first <= each <= last for each in instants)
    assert (last - first).total_seconds() * 1000 == ended["usage"]["ms"]


def test_the_end_of_a_recording_says_who_ended_the_session_and_what_it_used(
    recording: tuple[RecordedSession, str, list[Any], Path],
) -> None:
    session, *_ = recording
    (ended,) = (payload for payload in payloads(session, "gateway") if payload["type"] == "SessionEnded")
    usage = ended["usage"]
    assert (usage["closed_by"], usage["close_code"]) == ("client", 1000)
    assert usage["ms"] > 0
    assert usage["micro_usd"] == -(-usage["ms"] * 65_000 // 60_000)


def test_i9_no_secret_is_in_any_file_of_a_recording(recording: tuple[RecordedSession, str, list[Any], Path]) -> None:
    _, token, _, folder = recording
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for secret in (KEY, token, SECRET):
        assert secret.encode() not in written


def test_nothing_is_recorded_where_the_settings_say_so(tmp_path: Path) -> None:
    with Vendor() as vendor, opened(vendor.url, tmp_path, artifacts="off") as gateway:
        talk(gateway)
        assert list(tmp_path.rglob("session.jsonl")) == []
