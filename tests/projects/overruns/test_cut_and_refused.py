"""One test is cut by the run's budget, one refused by it, one by its own."""

import pytest

from pytest_dgbudget import VoiceAgent

none = pytest.mark.dg_budget(0)


def test_cut_by_the_run(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Never", timeout=10)


def test_refused_by_the_run(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass


@none
def test_refused_by_itself(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
