import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent
from pytest_dgbudget.plugin.scrub_hook import scrubber_of


@pytest.mark.dg_budget("1s")
@pytest.mark.xfail(raises=BudgetExceeded, strict=True)
def test_is_cut(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.expect("Error", timeout="9s")


@pytest.mark.dg_scenario(pace="max")
def test_talks(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("Where is my order?").reply


def test_scrubs(pytestconfig: pytest.Config) -> None:
    scrub = scrubber_of(pytestconfig)
    assert scrub is not None
    assert scrub("secret") == "[withheld: pytest_dgbudget_scrub failed]"
    assert scrub("secret") == "[withheld: pytest_dgbudget_scrub failed]"
