import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent
from pytest_dgbudget.plugin.state import STATE


def told(request: pytest.FixtureRequest, agent: VoiceAgent) -> object:
    state = request.config.stash[STATE]
    with Path(f"secrets-{os.getpid()}").open("a", encoding="ascii") as secrets:
        assert state.run is not None
        print(agent.endpoint.api_key, state.secret or state.run.gateway.membership._secret, file=secrets)
    return state, vars(agent), agent.endpoint, agent._opening


def test_fails(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    everything = told(request, voice_agent)
    with voice_agent.connect() as session:
        print(everything, session, vars(session))
        assert session.say("hi") is everything


@pytest.mark.dg_budget("1s")
def test_is_cut(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    everything = told(request, voice_agent)
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)
    assert everything


@pytest.mark.dg_budget("0")
def test_is_refused(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    everything = told(request, voice_agent)
    voice_agent.connect().__enter__()
    assert everything


@pytest.fixture
def breaks_in_teardown(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> Iterator[object]:
    yield told(request, voice_agent)
    raise RuntimeError("in teardown")


def test_breaks_in_teardown(breaks_in_teardown: object) -> None:
    pass
