"""Transcription and temporary tokens by requests, mocked with responses."""

from __future__ import annotations

import os
from unittest import mock

import requests
import responses
import websocket

KEY = os.environ["DEEPGRAM_API_KEY"]
LISTEN = "https://api.deepgram.com/v1/listen"
GRANT = "https://api.deepgram.com/v1/auth/grant"
AGENT = "wss://agent.deepgram.com/v1/agent/converse"
AUTHORIZATION = {"Authorization": f"Token {KEY}"}


@responses.activate  # type: ignore[untyped-decorator, unused-ignore]
def test_a_file_is_transcribed() -> None:
    responses.post(LISTEN, json={"results": {"channels": []}})
    answer = requests.post(LISTEN, params={"model": "nova-3"}, headers=AUTHORIZATION, data=b"RIFF", timeout=5)
    assert answer.json() == {"results": {"channels": []}}
    (call,) = responses.calls
    assert call.request.url == f"{LISTEN}?model=nova-3"
    assert call.request.headers["Authorization"] == f"Token {KEY}"


@responses.activate  # type: ignore[untyped-decorator, unused-ignore]
def test_a_temporary_token_is_minted() -> None:
    responses.post(GRANT, json={"access_token": "a", "expires_in": 30})
    session = requests.Session()
    session.headers.update(AUTHORIZATION)
    assert session.post(GRANT, json={"ttl_seconds": 30}, timeout=5).json()["access_token"] == "a"
    assert responses.calls[0].request.headers["Authorization"] == f"Token {KEY}"


def test_the_agent_is_asked() -> None:
    with mock.patch("websocket.create_connection") as connect:
        connect.return_value.recv.return_value = '{"type":"Welcome"}'
        assert websocket.create_connection(AGENT, header=AUTHORIZATION).recv() == '{"type":"Welcome"}'
    connect.assert_called_once_with(AGENT, header=AUTHORIZATION)


def test_the_agent_is_asked_by_an_object() -> None:
    with mock.patch.object(websocket.WebSocket, "connect") as connect:
        websocket.create_connection(AGENT, header=AUTHORIZATION)
    assert connect.call_args.args == (AGENT,)
    assert connect.call_args.kwargs["header"] == AUTHORIZATION


def test_the_handshake_with_the_agent_is_mocked() -> None:
    connected = (mock.Mock(), ("agent.deepgram.com", 443, "/v1/agent/converse"))
    with (
        mock.patch("websocket._core.connect", return_value=connected) as connect,
        mock.patch("websocket._core.handshake") as handshake,
    ):
        websocket.create_connection(AGENT, header=AUTHORIZATION)
    assert connect.call_args.args[0] == AGENT
    assert handshake.call_args.args[1] == AGENT
