"""An application that mints tokens, asks the management API, and speaks as well as it listens."""

import json
import os
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent

_OPENER = build_opener(ProxyHandler({}))


def ask(voice_agent: VoiceAgent, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    endpoint = voice_agent.endpoint
    credentials = {"Authorization": f"Token {endpoint.api_key}"}
    request = Request(endpoint.base_url + path, data=body, headers=credentials, method=method)
    try:
        with _OPENER.open(request) as answer:
            return answer.status, answer.read()
    except HTTPError as refused:
        return refused.code, refused.read()


def test_token_then_session(voice_agent: VoiceAgent) -> None:
    status, body = ask(voice_agent, "POST", "/v1/auth/grant", b"{}")
    assert status == 200
    subprotocols = ["bearer", json.loads(body)["access_token"]]
    with connect(voice_agent.endpoint.agent_url, subprotocols=subprotocols, proxy=None) as agent:
        assert "Welcome" in str(agent.recv())
    assert voice_agent.usage.sessions == 1


def test_the_emulators_management_api(voice_agent: VoiceAgent) -> None:
    status, body = ask(voice_agent, "GET", "/v1/projects")
    assert (status, len(json.loads(body)["projects"])) == (200, 1)
    status, body = ask(voice_agent, "GET", "/v1/agent/settings/think/models")
    assert (status, json.loads(body)["err_code"]) == (501, "NOT_IMPLEMENTED")


def test_speak(voice_agent: VoiceAgent) -> None:
    """What is not metered passes, or the report says what to set."""
    answer = ask(voice_agent, "POST", "/v1/speak?model=aura-2", b'{"text": "hello"}')
    if os.environ.get("PASSES"):
        assert answer == (200, b"spoken")
    elif answer[0] == 501:
        pytest.fail("seen from here: HTTP 501")
