import sys

from pytest_dgbudget import BudgetExhausted, VoiceAgent


def test_exits(voice_agent: VoiceAgent) -> None:
    try:
        voice_agent.connect().__enter__()
    except BudgetExhausted:
        sys.exit(1)
