"""Transcription and temporary tokens by aiohttp, mocked with aioresponses."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import Any
from unittest import mock

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aioresponses import aioresponses

KEY = os.environ["DEEPGRAM_API_KEY"]
LISTEN = "https://api.deepgram.com/v1/listen"
GRANT = "https://api.deepgram.com/v1/auth/grant"
AGENT = "wss://agent.deepgram.com/v1/agent/converse"
AUTHORIZATION = {"Authorization": f"Token {KEY}"}


async def posted(url: str) -> Any:
    async with aiohttp.ClientSession(headers=AUTHORIZATION) as session, session.post(url, data=b"RIFF") as response:
        return await response.json()


class Answer(aiohttp.ClientResponse):  # type: ignore[misc, unused-ignore]
    """What aioresponses makes, with what newer versions of aiohttp ask for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        wanted = inspect.signature(aiohttp.ClientResponse.__init__).parameters
        super().__init__(
            *args, **({"stream_writer": mock.Mock(output_size=0)} if "stream_writer" in wanted else {}), **kwargs
        )


def test_a_file_is_transcribed() -> None:
    with aioresponses() as mocked:
        mocked.post(f"{LISTEN}?model=nova-3", payload={"results": {}}, response_class=Answer)
        assert asyncio.run(posted(f"{LISTEN}?model=nova-3")) == {"results": {}}
        mocked.assert_called_once()


def test_a_temporary_token_is_minted() -> None:
    with aioresponses() as mocked:
        mocked.post(GRANT, payload={"access_token": "a", "expires_in": 30}, response_class=Answer)
        assert asyncio.run(posted(GRANT))["access_token"] == "a"


def test_the_agent_is_asked() -> None:
    async def main() -> str:
        async with aiohttp.ClientSession() as session, session.ws_connect(AGENT, headers=AUTHORIZATION) as connection:
            return str(await connection.receive_str())

    with mock.patch.object(aiohttp.ClientSession, "_ws_connect") as connect:
        connect.return_value.__aenter__.return_value.receive_str.return_value = "Welcome"
        assert asyncio.run(main()) == "Welcome"
    assert connect.call_args.args == (AGENT,)


class OwnServer(AbstractResolver):  # type: ignore[misc, unused-ignore]
    """Leads every name to a server of the test's own."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Keep nothing."""


def test_a_server_of_its_own_answers() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"host": request.url.host, "shown": request.headers["Authorization"]})

    async def main() -> Any:
        application = web.Application()
        application.router.add_post("/v1/listen", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        connector = aiohttp.TCPConnector(resolver=OwnServer())
        url = f"http://api.deepgram.com:{port}/v1/listen"
        session = aiohttp.ClientSession(connector=connector, headers=AUTHORIZATION)
        async with session, session.post(url) as response:
            answered = await response.json()
        await runner.cleanup()
        return answered

    assert asyncio.run(main()) == {"host": "api.deepgram.com", "shown": f"Token {KEY}"}
