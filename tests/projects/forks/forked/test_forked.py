import pytest

from pytest_dgbudget import VoiceAgent


def opens(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply


def test_in_pytest(voice_agent: VoiceAgent) -> None:
    opens(voice_agent)


@pytest.mark.forked
def test_in_a_child(voice_agent: VoiceAgent) -> None:
    opens(voice_agent)


@pytest.mark.forked
@pytest.mark.dg_budget("1s")
def test_is_cut_in_a_child(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("NoSuchMessage", timeout=5)


def test_in_pytest_again(voice_agent: VoiceAgent) -> None:
    opens(voice_agent)
