"""Tests that leave sessions open, and tests that don't."""

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


def test_closes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_leaves_two(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    endpoint = voice_agent.endpoint
    client = connect(endpoint.agent_url, additional_headers={"Authorization": f"Token {endpoint.api_key}"}, proxy=None)
    assert "Welcome" in str(client.recv(10))
    kept.append(client)


def test_fails_while_one_is_open(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    pytest.fail("for another reason")


kept: list[object] = []
