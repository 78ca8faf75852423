from __future__ import annotations

import os

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import DgBudgetError, VoiceAgent

URL = "wss://agent.deepgram.com/v1/agent/converse"


def dial() -> str:
    with connect(URL, additional_headers={"Authorization": f"Token {os.environ.get('DEEPGRAM_API_KEY')}"}) as session:
        return str(session.recv())


@pytest.fixture
def is_elsewhere() -> bool:
    return "ELSEWHERE" in os.environ


def test_the_code_under_test_has_no_key(is_elsewhere: bool) -> None:
    assert os.environ.get("DEEPGRAM_API_KEY") != os.environ["BACKWARDS"][::-1]
    if is_elsewhere:
        with pytest.raises(OSError, match=r"unreachable|refused"):
            dial()
    else:
        assert "Welcome" in dial()


def test_the_fixture_says_what_it_needs(request: pytest.FixtureRequest, is_elsewhere: bool) -> None:
    if is_elsewhere:
        with pytest.raises(DgBudgetError, match=os.environ["ELSEWHERE"]):
            request.getfixturevalue("voice_agent")
    else:
        agent: VoiceAgent = request.getfixturevalue("voice_agent")
        with agent.connect():
            pass
