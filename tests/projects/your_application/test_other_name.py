"""The key under a name of one's own, which pytest.ini makes known."""

import os

from websockets.sync.client import connect

KEY = os.environ["VOICE_KEY"]


def test_the_key_is_a_token() -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == KEY


def test_the_agent_says_welcome() -> None:
    headers = {"Authorization": f"Token {KEY}"}
    with connect("wss://agent.deepgram.com/v1/agent/converse", additional_headers=headers) as agent:
        assert "Welcome" in str(agent.recv())
