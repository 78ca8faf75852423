import json

from websockets.sync.client import connect

from pytest_dgbudget import Endpoint


def test_shares_an_application(voice_agent_endpoint: Endpoint) -> None:
    headers = {"Authorization": f"Token {voice_agent_endpoint.api_key}"}
    with connect(voice_agent_endpoint.agent_url, additional_headers=headers, proxy=None) as websocket:
        assert json.loads(websocket.recv())["type"] == "Welcome"
