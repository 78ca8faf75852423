"""Tests of an application that knows nothing of the fixture; the real key is in key.txt."""

import os
import time
from pathlib import Path

import application
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from pytest_dgbudget import VoiceAgent

REAL = Path("key.txt").read_text(encoding="utf-8")
LEFT: list[ClientConnection] = []


def test_the_key_is_nowhere() -> None:
    assert REAL not in os.environ.values()
    assert os.environ["OTHER_NAME_FOR_IT"] == application.KEY
    assert "DEEPGRAM_ACCESS_TOKEN" not in os.environ
    assert (os.environ["DGBUDGET_ACTIVE"], os.environ["DGBUDGET_TARGET"]) == ("the-run", "live")
    assert os.environ["DGBUDGET_BASE_URL"].replace("http", "ws") + "/v1/agent/converse" == application.URL


def test_one_session() -> None:
    application.visit().close()


def test_two_sessions_beside_the_fixtures_own(voice_agent: VoiceAgent) -> None:
    application.visit().close()
    with voice_agent.connect():
        application.visit(voice_agent.endpoint.api_key).close()
        assert voice_agent.usage.sessions == 3


def test_leaves_one_open() -> None:
    LEFT.append(application.visit())


def test_what_was_left_open_was_closed_as_if_by_agreement() -> None:
    with pytest.raises(ConnectionClosed) as closed:
        LEFT.pop().recv(10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "the test is over, its token is revoked")


@pytest.mark.dg_budget("1s")
def test_is_cut_although_it_notices_nothing() -> None:
    application.visit()
    time.sleep(1.2)


@pytest.fixture
def opens_at_its_end() -> object:
    yield
    application.visit()


def test_opens_one_in_its_teardown(opens_at_its_end: None) -> None:
    """Nothing is open while it runs."""


def test_none() -> None:
    """It has no session, and no row."""
