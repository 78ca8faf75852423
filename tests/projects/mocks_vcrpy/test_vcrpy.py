"""Transcription and temporary tokens by several clients, replayed by vcrpy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import httpx
import pytest
import requests
import urllib3
import vcr
import websockets.asyncio.client

KEY = os.environ["DEEPGRAM_API_KEY"]
LISTEN = "https://api.deepgram.com/v1/listen?model=nova-3"
GRANT = "https://api.deepgram.com/v1/auth/grant"
AGENT = "wss://agent.deepgram.com/v1/agent/converse"
AUTHORIZATION = {"Authorization": f"Token {KEY}"}
CASSETTE = Path(__file__).parent / "deepgram.yaml"


def by_requests(url: str) -> Any:
    return requests.post(url, headers=AUTHORIZATION, timeout=5).json()


def by_urllib3(url: str) -> Any:
    with urllib3.PoolManager() as manager:
        return manager.request("POST", url, headers=AUTHORIZATION).json()


def by_httpx(url: str) -> Any:
    return httpx.post(url, headers=AUTHORIZATION).json()


def by_httpx_async(url: str) -> Any:
    async def main() -> Any:
        async with httpx.AsyncClient() as client:
            return (await client.post(url, headers=AUTHORIZATION)).json()

    return asyncio.run(main())


def by_aiohttp(url: str) -> Any:
    async def main() -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, headers=AUTHORIZATION) as response:
            return await response.json()

    return asyncio.run(main())


@pytest.mark.parametrize("post", [by_requests, by_urllib3, by_httpx, by_httpx_async, by_aiohttp])
def test_what_was_recorded_is_replayed(post: Callable[[str], Any]) -> None:
    with vcr.use_cassette(str(CASSETTE), record_mode="none") as cassette:
        assert post(LISTEN) == {"results": {}}
        assert post(GRANT)["access_token"] == "a"
    assert cassette.all_played


def test_the_agent_is_asked() -> None:
    with mock.patch("websockets.asyncio.client.connect") as connect:
        websockets.asyncio.client.connect(AGENT, additional_headers=AUTHORIZATION)
    connect.assert_called_once_with(AGENT, additional_headers=AUTHORIZATION)
