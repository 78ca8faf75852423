"""What the emulator's agent does, as a test says it: each test is a rule."""

import json
import wave
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import Endpoint, HandshakeRefused, Scenario, SettingsError, VoiceAgent

SILENT = {"type": "Settings", "audio": {}, "agent": {}}  # no greeting to wait for
LOST: Scenario = {
    "turn": [
        {"pattern": r"order (?P<number>[A-Z]-\d+)", "reply": "Order {number} is lost."},
        {"reply": "Which?", "then": [{"reply": "I wait."}]},
    ]
}
RATE = 24_000


@pytest.mark.parametrize(
    "pace",
    [pytest.param(pace, marks=pytest.mark.dg_scenario(pace=pace)) for pace in ("vendor", "max")],
)
def test_a_test_says_what_the_agent_does(voice_agent: VoiceAgent, pace: str) -> None:
    voice_agent.emulator.scenario(LOST)
    with voice_agent.connect(SILENT) as session:
        assert session.say("Hello?").reply == "Which? I wait."


@pytest.mark.asyncio
async def test_an_async_test_does_as_well(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.scenario(LOST)
    async with voice_agent.connect(SILENT) as session:
        assert (await session.say("order A-17")).reply == "Order A-17 is lost."


@pytest.mark.dg_scenario("orders.toml")
def test_it_wins_over_the_marker_until_none_returns_to_it(voice_agent: VoiceAgent) -> None:
    replies = []
    for scenario in (None, LOST, {"turn": [{"reply": "The last one."}]}, None):
        voice_agent.emulator.scenario(cast(Scenario, scenario))
        with voice_agent.connect(SILENT) as session:
            replies.append(session.say("order A-17").reply)
    assert replies == ["The marker says so.", "Order A-17 is lost.", "The last one.", "The marker says so."]


def test_a_session_that_is_open_keeps_what_it_has(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(SILENT) as earlier:
        voice_agent.emulator.scenario(LOST)
        with voice_agent.connect(SILENT) as later:
            assert earlier.say("order A-17").reply == "You said: order A-17"
            assert later.say("order A-17").reply == "Order A-17 is lost."


tries: list[str] = []


@pytest.mark.flaky(reruns=1)
def test_a_rerun_starts_afresh(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(SILENT) as session:
        tries.append(session.say("order A-17").reply)
    voice_agent.emulator.scenario(LOST)
    assert tries == ["You said: order A-17"] * 2


def test_sound_files_are_relative_to_the_current_directory(
    voice_agent: VoiceAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wave.open(str(tmp_path / "yes.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"\x11\x22" * (RATE // 10))
    replies = []
    for folder, audio in ((tmp_path, "yes.wav"), (tmp_path.parent, tmp_path / "yes.wav")):
        monkeypatch.chdir(folder)
        voice_agent.emulator.scenario({"turn": [{"audio": audio}]})
        with voice_agent.connect(SILENT) as session:
            session.send({"type": "InjectUserMessage", "content": "Yes?"})
            session.expect("AgentAudioDone")
            replies.append(session.audio)
    assert replies == [b"\x11\x22" * (RATE // 10)] * 2


def test_faults_and_switches_are_a_part_of_it(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.scenario({"vendor": {"agent_started_speaking": True}, "turn": [{"reply": "So."}]})
    with voice_agent.connect(SILENT) as session:
        session.say("hi")
        assert "AgentStartedSpeaking" in [event.type for event in session.events()]
    voice_agent.emulator.scenario({"fault": [{"kind": "refuse", "status": 503}]})
    with pytest.raises(HandshakeRefused):
        voice_agent.connect(SILENT).__enter__()
    voice_agent.emulator.scenario(None)
    with voice_agent.connect(SILENT) as session:
        assert session.say("hi").reply == "You said: hi"


BAD: list[tuple[Any, str]] = [
    ({"turn": [{"reply": "a"}, {"then": [{"reply": 3}]}]}, "turn[1].then[0].reply: 3 is not a text"),
    ({"turn": [{"wait": timedelta(seconds=1)}]}, "turn[0].wait: JSON has no datetime.timedelta(seconds=1)"),
    ({"turn": [{"wait": float("nan")}]}, "turn[0].wait: JSON has no nan"),
    ({"turn": [{"send": {"type": "x", "n": 10**5000}}]}, "JSON can't hold it"),
    ({"turn": [{1: "a"}]}, "turn[0]: its keys are texts, not 1"),
    ([], "it is a dict, not list"),
    ({"turn": [{"reply": "x" * 2**19}]}, "bytes as JSON; at most 524288"),
]


def test_what_is_wrong_is_said_at_the_call_with_its_place_and_changes_nothing(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.scenario(LOST)
    for scenario, why in BAD:
        with pytest.raises(SettingsError) as refused:
            voice_agent.emulator.scenario(scenario)
        assert str(refused.value).startswith("scenario(...): ")
        assert why in str(refused.value)
    with voice_agent.connect(SILENT) as session:
        assert session.say("order A-17").reply == "Order A-17 is lost."


def answer_to(text: str, url: str, token: str) -> str:
    """Say it as an application does that is not ours."""
    with connect(url, additional_headers={"Authorization": f"Token {token}"}, proxy=None) as connection:
        for message in (SILENT, {"type": "InjectUserMessage", "content": text}):
            connection.send(json.dumps(message))
        for came in connection:
            answer: Mapping[str, Any] = json.loads(came) if isinstance(came, str) else {}
            if answer.get("role") == "assistant":
                return str(answer["content"])
    return ""


def test_an_application_is_answered_by_it(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.scenario(LOST)
    endpoint = voice_agent.endpoint
    assert answer_to("order A-17", endpoint.agent_url, endpoint.api_key) == "Order A-17 is lost."


def test_an_application_that_was_started_once_is_answered_by_the_running_tests(
    voice_agent: VoiceAgent, voice_agent_endpoint: Endpoint
) -> None:
    voice_agent.emulator.scenario(LOST)
    endpoint = voice_agent_endpoint
    assert answer_to("order A-17", endpoint.agent_url, endpoint.api_key) == "Order A-17 is lost."
