import json
import os

from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


def test_forks(voice_agent: VoiceAgent) -> None:
    """What a child opens is its parent's test's."""
    endpoint = voice_agent.endpoint
    child = os.fork()
    if child == 0:
        headers = {"Authorization": f"Token {endpoint.api_key}"}
        with connect(endpoint.agent_url, additional_headers=headers, proxy=None) as websocket:
            assert json.loads(websocket.recv())["type"] == "Welcome"
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
