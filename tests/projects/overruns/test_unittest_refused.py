import unittest

import pytest

from pytest_dgbudget import BudgetExhausted, VoiceAgent


class Refused(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _agent(self, voice_agent: VoiceAgent) -> None:
        self.agent = voice_agent

    def test_raises(self) -> None:
        with self.agent.connect():
            pass

    def test_swallows(self) -> None:
        with pytest.raises(BudgetExhausted), self.agent.connect():
            pass
