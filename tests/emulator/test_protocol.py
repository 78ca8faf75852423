"""Every message of the vendor's protocol: the emulator knows the client's, and sends the server's in its form."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS
from pytest_dgbudget.emulator import codes
from pytest_dgbudget.emulator.agent.conversation import _HANDLERS
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.session_clock import PACES, Pace
from tests.emulator.conftest import behaving
from tests.support.emulator_client import ORDER, SILENCE, SPEECH, Client, session, speak
from tests.support.function_server import FunctionServer, endpoint
from tests.support.vendor_messages import CLIENT_MESSAGES, SERVER_MESSAGES, check, check_sent

OPEN_AI = {"type": "open_ai", "model": "gpt-4o-mini"}
FLUX = {"type": "deepgram", "version": "v2", "model": "flux-general-multi"}
SCRIPTED = {"FrustrationDetected", "__customFromThinkProvider"}  # see test_scenario


def test_every_message_of_a_client_is_known_and_no_other() -> None:
    assert _HANDLERS.keys() == CLIENT_MESSAGES == set(codes.CLIENT)


def test_every_message_of_the_server_can_be_named() -> None:
    assert set(codes.SERVER) == SERVER_MESSAGES


@pytest.mark.parametrize(
    "message",
    [
        {"type": "Welcome"},
        {"type": "Welcome", "request_id": 1},
        {"type": "SettingsApplied", "extra": 1},
        {"type": "Greeting"},
        {"type": "History", "role": "agent", "content": "x"},
        {"type": "FunctionCallCancelled", "functions": [{"id": "x"}]},
        {"type": "LatencyReport", "stt_latency": "1"},
        {"type": "EndOfTurn"},
        {"type": "EndOfTurn", "trigger": "eager"},
        {"type": "EndOfTurn", "trigger": "model", "turn": 1},
    ],
)
def test_check_sees_what_is_wrong(message: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        check(message)


@pytest.mark.asyncio
@pytest.mark.parametrize("pace", PACES)
async def test_one_session_sees_every_message_of_the_server_in_the_vendors_form(pace: Pace) -> None:
    """Client checks each as it comes."""
    all_of_them = behaving(agent_thinking=True, agent_started_speaking=True)
    async with (
        Emulator(behavior=all_of_them, pace=pace) as emulator,
        endpoint() as (server, url),
        session(emulator) as client,
    ):
        server.gate.clear()  # until the agent has refused to be interrupted
        await begin(client, url)
        await talk(client, server)
        await update(client)
        await send(client, type="FunctionCallResponse", name="none", content="x")
        assert await client.failure() == "NON_EXISTENT_FUNCTION_CALLED"
        assert set(client.types()) - {"audio"} == SERVER_MESSAGES - SCRIPTED


async def begin(client: Client, url: str) -> None:
    here, there = {**ORDER, "name": "get_order"}, {**ORDER, "name": "find_table", "endpoint": {"url": url}}
    think = {"provider": OPEN_AI, "functions": [here, there]}
    agent = {**DEFAULT_SETTINGS["agent"], "think": think, "listen": {"provider": FLUX}}
    await send(client, **{**DEFAULT_SETTINGS, "experimental": True, "agent": agent})
    await client.until("AgentAudioDone")


async def talk(client: Client, server: FunctionServer) -> None:
    await send(client, type="InjectUserMessage", content="a table")
    await client.until("FunctionCallRequest")
    await send(client, type="InjectAgentMessage", message="x", behavior="default")
    await client.until("InjectionRefused")
    server.gate.set()
    await client.until("FunctionCallResponse")
    await client.until("AgentAudioDone")
    await send(client, type="InjectUserMessage", content="my order")
    await client.until("FunctionCallRequest")
    await speak(client, SPEECH + SILENCE * 2)
    await client.until("FunctionCallCancelled")
    await client.until("AgentAudioDone")


async def update(client: Client) -> None:
    await send(client, type="UpdateThink", think={"provider": OPEN_AI})
    await send(client, type="UpdateSpeak", speak=DEFAULT_SETTINGS["agent"]["speak"])
    await send(client, type="UpdatePrompt", prompt="x")
    await send(client, type="KeepAlive")
    await client.until("PromptUpdated")
    await send(client, type="UpdateListen", listen={"provider": FLUX})
    await client.until("ListenUpdated")
    await client.send("UpdateThink_Live", think_live={})  # newer than the AsyncAPI file
    await client.until("ThinkLiveUpdated")


async def send(client: Client, **message: Any) -> None:
    check_sent(message)
    await client.connection.send(json.dumps(message))
