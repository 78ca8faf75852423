"""Run by workers on two machines: eight seconds, half of them by the fixture."""

from __future__ import annotations

import os
import time

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent

URL = "wss://agent.deepgram.com/v1/agent/converse"


@pytest.mark.parametrize("number", range(4))
def test_of_the_fixture(voice_agent: VoiceAgent, number: int) -> None:
    with voice_agent.connect():
        time.sleep(1)


@pytest.mark.parametrize("number", range(4))
def test_of_a_client(number: int) -> None:
    with connect(URL, additional_headers={"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}) as session:
        session.recv()
        time.sleep(1)
