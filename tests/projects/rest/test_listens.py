"""A client of another API of the vendor's, which is left open."""

import os

from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


def test_listens(voice_agent: VoiceAgent) -> None:
    endpoint = voice_agent.endpoint
    url = f"{endpoint.agent_url.partition('/v1/')[0]}/to/{os.environ['HOST']}/v1/listen"
    socket = connect(url, additional_headers={"Authorization": f"Token {endpoint.api_key}"}, proxy=None)
    assert "Welcome" in str(socket.recv())
    kept.append(socket)


kept: list[object] = []
