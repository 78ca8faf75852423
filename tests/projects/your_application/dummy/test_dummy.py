"""An application that has a dummy for a key."""

import os

from websockets.sync.client import connect


def test_the_dummy_stays() -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == "test-key"


def test_the_agent_says_welcome() -> None:
    headers = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}
    with connect("wss://agent.deepgram.com/v1/agent/converse", additional_headers=headers) as agent:
        assert "Welcome" in str(agent.recv())
