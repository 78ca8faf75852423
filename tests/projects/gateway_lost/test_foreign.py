import json
import signal
from collections.abc import Callable

from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


def test_foreign(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    signal_gateway(signal.SIGKILL)
    headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
    with connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None) as websocket:
        assert json.loads(websocket.recv())["type"] == "Welcome"
