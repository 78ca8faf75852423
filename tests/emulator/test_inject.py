"""Messages that are injected into open sessions, and scenarios that are set, by the emulator's own REST API."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.emulator.faults.kinds import read_fault
from pytest_dgbudget.emulator.scenarios.library import Library
from pytest_dgbudget.emulator.scenarios.scenario import Scenario
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import Reply, ask, until
from tests.support.emulator_client import playing, session

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]

GRANT = "/emulator/v1/grants/default"
MEGABYTES = "x" * 8_000_000
WARNING = {"type": "Warning", "code": "X", "description": "y"}
CALLS = [{"id": f"call_{name}", "name": name, "arguments": "{}", "client_side": True} for name in ("one", "two")]
REQUEST = {"type": "FunctionCallRequest", "functions": CALLS}

BAD_SCENARIOS = {
    "": "the body is not JSON",
    "[]": "the body is not a JSON object",
    "{}": "the body has a scenario, an object",
    '{"scenario": {"turn": []}, "folder": 3}': "may have a folder, a text",
    '{"scenario": {"turn": [{"reply": 3}]}}': "turn[0].reply: 3 is not a text",
}
BAD_MESSAGES = {
    "": "the body is not JSON",
    "[]": "the body is not a JSON object",
    "{}": "a message is an object with a type, which is a text",
    '{"message": {"type": 3}}': "a message is an object with a type, which is a text",
    '{"audio": 3}': "a message is an object with a type, which is a text",
    '{"audio": "%"}': "the audio is not base64",
}


async def inject(emulator: Emulator, **body: Any) -> Reply:
    return await ask(emulator, f"{GRANT}/messages", method="POST", body=json.dumps(body).encode())


@pytest.mark.parametrize("body", BAD_SCENARIOS)
async def test_a_bad_scenario_is_refused_with_what_is_wrong(emulator: Emulator, body: str) -> None:
    reply = await ask(emulator, f"{GRANT}/scenario", method="PUT", body=body.encode() or b" ")
    assert reply.refusal() == (422, "EMULATED_BAD_SCENARIO")
    assert BAD_SCENARIOS[body] in reply.json["err_msg"]


@pytest.mark.parametrize("body", BAD_MESSAGES)
async def test_a_bad_message_is_refused_with_what_is_wrong(emulator: Emulator, body: str) -> None:
    async with session(emulator):
        reply = await ask(emulator, f"{GRANT}/messages", method="POST", body=body.encode() or b" ")
    assert reply.refusal() == (422, "EMULATED_BAD_MESSAGE")
    assert BAD_MESSAGES[body] in reply.json["err_msg"]


async def test_without_an_open_session_it_is_refused(emulator: Emulator) -> None:
    async with session(emulator):
        reply = await inject(emulator, message=WARNING, request_id="other")
        assert "no session with the request id 'other' is open" in reply.json["err_msg"]
    await until(lambda: not emulator.sessions)
    assert (await inject(emulator, message=WARNING)).refusal() == (422, "EMULATED_NO_SESSION")


async def test_audio_may_be_longer_than_a_frame(emulator: Emulator) -> None:
    audio = b"\x01\x02" * 200_000
    async with session(emulator) as client:
        assert (await inject(emulator, audio=base64.b64encode(audio).decode())).status == 200
        assert await client.next() == audio


async def test_it_comes_after_a_message_that_waits_for_the_client_to_read(emulator: Emulator) -> None:
    async with session(emulator, flags={"history": True}, agent={}) as client:
        (ours,) = emulator.sessions
        client.connection.transport.pause_reading()
        await client.send("InjectAgentMessage", message=MEGABYTES)
        await until(lambda: ours.transport.get_write_buffer_size() > 0)
        await inject(emulator, message=WARNING)
        client.connection.transport.resume_reading()
        await client.until("Warning")
        assert client.types()[2] == "ConversationText"
        assert len(client.said()[2]["content"]) == len(MEGABYTES)


async def test_what_waits_when_its_session_ends_is_dropped(emulator: Emulator) -> None:
    emulator._grants.named("default").add(read_fault("slow-messages", {"delay": "1h", "at": "Warning"}))
    async with session(emulator, agent={}):
        for _ in range(2):
            assert (await inject(emulator, message=WARNING)).status == 200
    await until(lambda: not any("FaultInjector._inject" in repr(task) for task in asyncio.all_tasks()))


async def test_calls_that_are_injected_may_be_answered_once_each(emulator: Emulator) -> None:
    async with session(emulator, flags={"history": True}, agent={}) as client:
        await inject(emulator, message=REQUEST)
        await client.until("FunctionCallRequest")
        await client.send("FunctionCallResponse", id="call_two", name="two", content="2")
        assert (await client.until("FunctionCallResponse"))["id"] == "call_two"
        assert (await client.until("History"))["function_calls"][0]["response"] == "2"
        await client.send("FunctionCallResponse", name="one", content="1")  # the vendor's page calls the id optional
        assert (await client.until("FunctionCallResponse"))["id"] == "call_one"
        await client.send("FunctionCallResponse", id="call_two", name="two", content="2")
        assert "answered before" in (await client.until("Warning"))["description"]
        await client.send("InjectUserMessage", content="hi")
        await client.until("AgentAudioDone")


async def test_calls_that_a_scenario_sends_may_be_answered(emulator: Emulator, write: Callable[[str], Path]) -> None:
    calls = ", ".join(f'{{ id = "c{n}", name = "f", arguments = "{{{{}}}}", client_side = true }}' for n in (1, 2))
    path = write(f'[[scenario.turn]]\nsend = {{ type = "FunctionCallRequest", functions = [{calls}] }}\n')
    async with playing(emulator, path, agent={}) as client:
        await client.send("InjectUserMessage", content="hi")
        request = await client.until("FunctionCallRequest")
        assert [call["arguments"] for call in request["functions"]] == ["{}", "{}"]
        for n in (1, 2):
            await client.send("FunctionCallResponse", id=f"c{n}", name="f", content="x")
            await client.until("FunctionCallResponse")


@pytest.mark.parametrize("functions", [None, "x", [1, {}, {"id": 1, "name": "f"}, {"id": "c", "name": None}]])
async def test_calls_may_have_any_form(emulator: Emulator, functions: Any) -> None:
    async with session(emulator, agent={}) as client:
        await inject(emulator, message={"type": "FunctionCallRequest", "functions": functions})
        assert json.loads(await client.connection.recv()) == {"type": "FunctionCallRequest", "functions": functions}
        await client.send("FunctionCallResponse", id="c", name="f", content="x")
        assert await client.failure() == "NON_EXISTENT_FUNCTION_CALLED"


async def test_a_scenario_that_is_set_wins_until_it_is_removed(
    emulator: Emulator, write: Callable[[str], Path]
) -> None:
    path = write('[[scenario.turn]]\nreply = "As the client asks."\n')
    body = json.dumps({"scenario": {"turn": [{"reply": "As set."}]}}).encode()
    said = []
    for method in ("PUT", "DELETE"):
        assert (await ask(emulator, f"{GRANT}/scenario", method=method, body=body)).status == 200
        async with playing(emulator, path, agent={}) as client:
            await client.send("InjectUserMessage", content="hi")
            await client.until("AgentAudioDone")
            said += [each["content"] for each in client.said() if each.get("role") == "assistant"]
    assert said == ["As set.", "As the client asks."]


async def test_of_many_scenarios_the_latest_are_kept() -> None:
    library, scenario = Library(), Scenario(name="")
    for n in range(2000):
        library.set_for(str(n), scenario)
        library.set_for("running", scenario)
    assert library.choose("0", None) is None
    assert library.choose("1999", None) is library.choose("running", None) is scenario
