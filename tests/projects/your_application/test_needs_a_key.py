"""Tests that are skipped where there is no key."""

import os

import pytest
from websockets.sync.client import connect

needs_a_key = pytest.mark.skipif(not os.environ.get("DEEPGRAM_API_KEY"), reason="no Deepgram key")


@needs_a_key
def test_the_agent_says_welcome() -> None:
    headers = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}
    with connect("wss://agent.deepgram.com/v1/agent/converse", additional_headers=headers) as agent:
        assert "Welcome" in str(agent.recv())
