"""What real handshakes and the real management API were seen to do; rows 25 to 27 of "As seen"."""

from __future__ import annotations

import json

import pytest

from pytest_dgbudget.emulator.server import Emulator
from tests.emulator.conftest import BRIEF
from tests.support.emulator_api import PROJECT, ask, call, get, line, make_key, rows
from tests.support.emulator_client import refusal, session

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]


async def test_row_25_handshakes_take_keys_as_token_and_no_port_443(emulator: Emulator) -> None:
    for header in ("Token dgemu_wrong", f"Bearer {emulator.api_key}"):
        response, body = await refusal(emulator.agent_url, additional_headers={"Authorization": header})
        assert (response.status_code, body["err_code"]) == (401, "INVALID_AUTH")
        assert response.headers["dg-error"] == body["err_msg"] == "Invalid credentials."
    head = (
        "GET /v1/agent/converse HTTP/1.1\r\nHost: agent.deepgram.com:443\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    request = f"{head}Authorization: Token {emulator.api_key}\r\n\r\n".encode()
    async with line(emulator, request) as raw:
        assert (await raw.reply()).refusal() == (404, "NOT_FOUND")
    async with line(emulator, request.replace(b":443", b"")) as raw:
        assert (await raw.reader.readline()).startswith(b"HTTP/1.1 101 ")


async def test_row_26_rows_of_agents_have_no_duration_and_are_null_at_first() -> None:
    async with Emulator(settlement_lag=0.5, behavior=BRIEF) as emulator:
        async with session(emulator, agent={}):
            pass
        (pending,) = await rows(emulator, settled=False)
        assert pending["response"] is None
        (row,) = await rows(emulator)
        assert not {"duration", "total_audio", "channels", "streams"} & row["response"]["details"].keys()
        assert row["response"]["details"]["usd"] > 0


async def test_row_27_agents_need_their_scopes_and_metadata_and_their_list_is_bare(emulator: Emulator) -> None:
    agents, body = f"{PROJECT}/agents", {"config": json.dumps({"greeting": "Hi"}), "metadata": {"a": "b"}}
    key = (await make_key(emulator, scopes=["agent:read", "usage:read"]))["key"]
    reply = await ask(emulator, agents, method="POST", body=json.dumps(body).encode(), authorization=f"Token {key}")
    assert reply.refusal() == (403, "INSUFFICIENT_PERMISSIONS")
    without = json.dumps({"config": body["config"]}).encode()
    assert (await ask(emulator, agents, method="POST", body=without)).status == 400
    made = await call(emulator, "POST", agents, body)
    (listed,) = await get(emulator, "/agents")
    assert (listed["agent_uuid"], listed["config"]) == (made["agent_id"], {"greeting": "Hi"})
