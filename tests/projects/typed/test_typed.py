"""A user's file whose author has types checked, strictly."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_dgbudget import (
    AgentAudio,
    AsyncSession,
    BadFunctionCall,
    BypassRefused,
    ConversationText,
    Endpoint,
    FunctionCall,
    FunctionCallRequest,
    Interruption,
    Latency,
    Message,
    MessageType,
    Scenario,
    ScenarioTurn,
    Session,
    Turn,
    Usage,
    VoiceAgent,
)


@pytest.fixture(scope="session")
def variables(voice_agent_endpoint: Endpoint) -> dict[str, str]:
    return {**os.environ, **voice_agent_endpoint.environ}


@pytest.mark.asyncio
@pytest.mark.dg_budget("30s", idle="10s")
async def test_an_order(voice_agent: VoiceAgent) -> None:
    async with voice_agent.connect(tags=["typed"]) as session:

        @session.on_function("order_status")
        async def order_status(order: str) -> dict[str, str]:
            return {"order": order, "status": "on its way"}

        turn: Turn = await session.say("Where is my order?", timeout="10s")
        assert "order" in turn.reply.lower()
        await session.send({"type": "UpdatePrompt", "prompt": "Be brief."})
        updated: Message = await session.expect("PromptUpdated", timeout=5)
        assert updated.data["type"] == "PromptUpdated"
        assert said_by_agent(session)
    usage: Usage = voice_agent.usage
    assert usage.sessions == 1
    latency: Latency = voice_agent.latency
    assert latency.turns == 1
    assert latency.p95 is not None
    assert latency.p95 < 30.0


def test_a_greeting(voice_agent: VoiceAgent, variables: dict[str, str]) -> None:
    with voice_agent.connect() as session:
        welcome = session.expect("Welcome")
        assert welcome.request_id.strip() == session.request_id
        said = session.expect("ConversationText", role="assistant", content=re.compile("hello", re.IGNORECASE))
        assert said.content.startswith("Hello")
        assert names_of(session.events())[0] == "Welcome"
    subprocess.run([sys.executable, "-c", ""], env=variables, check=True)


def said_by_agent(session: AsyncSession | Session) -> list[str]:
    return [said.content for said in session.transcript if said.role == "assistant"]


def names_of(messages: list[Message]) -> list[str]:
    return [message.type for message in messages]


def first_call(session: Session, kind: MessageType = "FunctionCallRequest") -> str:
    for message in session.events():
        if isinstance(message, FunctionCallRequest):
            return message.functions[0].name.upper()
        if isinstance(message, ConversationText):
            return message.content.upper()
    return session.expect("FunctionCallRequest").functions[0].arguments + session.expect(kind).type


def advice(refused: BypassRefused) -> str:
    return refused.host + refused.path + (refused.program or "")


async def a_conversation(session: AsyncSession, recording: Path) -> float:
    await session.wait_until_silent(timeout="5s")
    await session.send_audio((bytes(320) for _ in range(3)), trailing=0)
    await session.say_aloud("Where is my order?", recording=recording, resample=True)
    turn: Turn = await session.wait_for_reply(timeout=10)
    calls: list[FunctionCall] = session.function_calls("order_status")
    orders: list[str] = [call.parsed_arguments["order"] for call in (*calls, *turn.function_calls)]
    await session.wait_until_speaking("200ms")
    cut: Interruption = await session.barge_in("Stop.", recording=recording, after=0.5)
    said: ConversationText = await session.expect("ConversationText", lambda text: text.at > 1, content=is_brief)
    await session.update_prompt("Be brief.")
    await session.update_speak([{"provider": {"type": "deepgram"}}])
    await session.inject_agent_message("Hello?", behavior="queue")
    heard: list[AgentAudio] = [each for each in session.timeline() if isinstance(each, AgentAudio)]
    saved: tuple[Path, Path] = (turn.save("turn.wav"), session.save_audio("all.wav"))
    assert [*orders, *(path.name for path in saved)]
    return (turn.latency or 0.0) + cut.heard_seconds + said.at + sum(each.seconds or 0.0 for each in heard)


def a_sync_conversation(session: Session) -> Turn:
    session.wait_until_silent()
    session.say_aloud("Where is my order?")
    session.update_listen({"provider": {"type": "deepgram", "model": "nova-3"}})
    session.barge_in("Stop.").user_transcript.upper()
    return session.wait_for_reply()


def is_brief(content: str) -> bool:
    return len(content) < 80


def place_of(error: BadFunctionCall) -> str:
    return f"{error.function} {error.path} {error.value} {error.arguments}"


def what_a_checker_finds_in_a_conversation(session: Session) -> None:
    session.expect("Welcome", lambda welcome: welcome.content)  # type: ignore
    session.wait_for_reply().text  # type: ignore  # noqa: B018
    session.inject_agent_message("Hello?", behavior="loud")  # type: ignore
    session.barge_in(b"Stop.")  # type: ignore
    session.send_audio(3)  # type: ignore


def what_a_checker_finds(voice_agent: VoiceAgent, session: Session, endpoint: Endpoint) -> None:
    session.expect("Welcome").content  # type: ignore  # noqa: B018 - each checker has names of its own
    session.expect("ThinkUpdated").content  # type: ignore  # noqa: B018
    session.expect("ConversationText").content.nothing  # type: ignore  # noqa: B018
    voice_agent.connect(3)  # type: ignore
    voice_agent.nothing  # type: ignore  # noqa: B018
    endpoint.environ["DEEPGRAM_API_KEY"].nothing  # type: ignore  # noqa: B018


def handover(*turns: ScenarioTurn) -> Scenario:
    last: ScenarioTurn = {"times": 1, "reply": "Goodbye.", "then": [{"wait": "200ms"}, {"wait": 0.5, "close": 1000}]}
    return {
        "name": "handover",
        "vendor": {"late_frames": 3, "turn_end": "timer"},
        "hears": ["Hello?"],
        "turn": [{"text": "hi", "call": [{"name": "f", "arguments": {"n": 1}}, {"name": "g"}]}, *turns, last],
        "fault": [{"kind": "drop", "at": "SettingsApplied", "after": "1s", "how": "fin"}],
    }


def what_a_scenario_may_be(voice_agent: VoiceAgent) -> None:
    emulator = voice_agent.emulator
    emulator.scenario(handover({"tone": {"hz": 440, "ms": 100}}, {"audio": Path("a.wav")}))
    emulator.scenario({"vendor": "2025"})
    emulator.scenario(None)
    emulator.inject({"type": "Warning", "code": "X", "description": "…"}, request_id="x")
    emulator.inject(b"")
    emulator.fault("slow-messages", delay=0.5, at="(audio)")


def what_a_checker_finds_in_a_scenario(voice_agent: VoiceAgent) -> None:
    emulator = voice_agent.emulator
    emulator.scenario({"turns": []})  # type: ignore
    emulator.scenario({"turn": [{"reply": 3}]})  # type: ignore
    emulator.scenario({"turn": [{"then": [{"text": "hi"}]}]})  # type: ignore
    emulator.scenario({"turn": [{"call": {"arguments": {}}}]})  # type: ignore
    emulator.scenario({"fault": [{"kind": "dropp"}]})  # type: ignore
    emulator.scenario({"fault": [{"kind": "drop", "at": "Settings Applied"}]})  # type: ignore
    emulator.scenario({"vendor": {"late_frame": 3}})  # type: ignore
    emulator.scenario({"vendor": "2024"})  # type: ignore
    emulator.scenario({"hears": "hi"})  # type: ignore
    emulator.inject("Warning")  # type: ignore
    emulator.fault("drop", when="now")  # type: ignore
    emulator.fault("dropp")  # type: ignore
