"""Messages that a test injects into its sessions as if the agent had sent them: each test is a rule."""

from typing import Any

import pytest

from pytest_dgbudget import ProtocolViolated, SettingsError, VoiceAgent

SILENT = {"type": "Settings", "audio": {}, "agent": {}}  # no greeting to wait for
SLOW = {"type": "Warning", "code": "SLOW_THINK_REQUEST", "description": "Ä bit slow.", "new": {"field": [1, None]}}


def request(*calls: str) -> dict[str, Any]:
    functions = [{"id": f"call_{name}", "name": name, "arguments": "{}", "client_side": True} for name in calls]
    return {"type": "FunctionCallRequest", "functions": functions}


@pytest.mark.parametrize(
    "pace",
    [pytest.param(pace, marks=pytest.mark.dg_scenario(pace=pace)) for pace in ("vendor", "max")],
)
def test_a_message_comes_as_it_was_given_after_what_the_agent_has_sent(voice_agent: VoiceAgent, pace: str) -> None:
    with voice_agent.connect(SILENT) as session:
        session.say("hi")
        voice_agent.emulator.inject(SLOW)
        assert session.expect("Warning").data == SLOW
        types = [event.type for event in session.events()]
    assert types.index("Warning") > types.index("AgentAudioDone")
    sent = [each["payload"] for each in voice_agent.emulator.journal() if each["direction"] == "server_to_client"]
    assert [payload for payload in sent if payload["type"] == "Warning"] == [SLOW]


@pytest.mark.asyncio
async def test_an_async_test_injects_as_well(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(SILENT) as session:
        voice_agent.emulator.inject(SLOW)
        assert (await session.expect("Warning")).data == SLOW


def test_bytes_are_audio_of_the_agents(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(SILENT) as session:
        voice_agent.emulator.inject(b"\x01\x02" * 480)
        voice_agent.emulator.inject({"type": "AgentAudioDone"})
        session.expect("AgentAudioDone")
        assert session.audio == b"\x01\x02" * 480


def test_what_is_injected_first_comes_first(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("slow-messages", at="Warning", delay="100ms")
    with voice_agent.connect(SILENT) as session:
        voice_agent.emulator.inject(SLOW)
        for n in range(20):
            voice_agent.emulator.inject({"type": "Another", "n": n})
        session.expect("Another", n=19)
        types = [event.type for event in session.events()]
        assert types[types.index("Warning") :] == ["Warning", *["Another"] * 20]


def test_all_open_sessions_get_it_or_the_one_that_is_named(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(SILENT) as one, voice_agent.connect(SILENT) as other:
        voice_agent.emulator.inject({"type": "ForAll"})
        for session in (one, other):
            session.expect("ForAll")
        voice_agent.emulator.inject({"type": "ForOne"}, request_id=other.request_id)
        voice_agent.emulator.inject({"type": "Last"})
        for session in (one, other):
            session.expect("Last")
        assert [event.type for event in one.events()][-2:] == ["ForAll", "Last"]
        assert [event.type for event in other.events()][-3:] == ["ForAll", "ForOne", "Last"]


def test_without_an_open_session_it_is_an_error(voice_agent: VoiceAgent) -> None:
    session = voice_agent.connect(SILENT).__enter__()
    with pytest.raises(SettingsError, match=rf"'no' is open; open: {session.request_id}"):
        voice_agent.emulator.inject(SLOW, request_id="no")
    session.close()
    with pytest.raises(SettingsError, match=r"^inject\(...\): no session of this test is open"):
        voice_agent.emulator.inject(SLOW)


@pytest.mark.parametrize("message", [{}, {"type": 3}, {"typ": "Warning"}, [SLOW], "Warning", {"type": "x", "y": {1}}])
def test_what_is_no_message_is_an_error(voice_agent: VoiceAgent, message: Any) -> None:
    with voice_agent.connect(SILENT), pytest.raises(SettingsError, match=r"^inject\(...\): "):
        voice_agent.emulator.inject(message)


def test_function_calls_are_answered_and_the_session_goes_on(voice_agent: VoiceAgent) -> None:
    called: list[str] = []
    with voice_agent.connect(SILENT) as session:
        session.on_function("first")(lambda: called.append("first"))
        session.on_function("second")(lambda: called.append("second"))
        voice_agent.emulator.inject(request("first", "second"))
        for name in ("first", "second"):
            session.expect("FunctionCallResponse", name=name)
        assert session.say("hi").reply == "You said: hi"
    assert sorted(called) == ["first", "second"]


def test_it_is_checked_like_all_that_the_agent_sends(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(SILENT) as session:
        session.say("hi")
        session.check_protocol()
        for _ in range(5):
            voice_agent.emulator.inject(b"\0\0")
        voice_agent.emulator.inject({"type": "Last"})
        session.expect("Last")
        with pytest.raises(ProtocolViolated, match="AgentAudioDone"):
            session.check_protocol()
