"""TestCases keep what they end with to themselves: pytest reports that in place of what its hooks raise."""

import unittest

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent


class _WithAgent(unittest.TestCase):
    agent: VoiceAgent

    @pytest.fixture(autouse=True)
    def _agent(self, voice_agent: VoiceAgent) -> None:
        self.agent = voice_agent

    def use_up(self) -> None:
        with self.agent.connect() as session:
            session.expect("Never", timeout=10)


@pytest.mark.dg_budget("1s")
class Cut(_WithAgent):
    def test_skips(self) -> None:
        try:
            self.use_up()
        except BudgetExceeded:
            self.skipTest("quota")

    def test_passes(self) -> None:
        with pytest.raises(BudgetExceeded):
            self.use_up()

    def test_in_a_subtest(self) -> None:
        with self.subTest("one"), pytest.raises(BudgetExceeded):
            self.use_up()

    @unittest.expectedFailure
    def test_is_expected_to_fail(self) -> None:
        self.use_up()

    def test_fails_otherwise(self) -> None:
        with pytest.raises(BudgetExceeded):
            self.use_up()
        self.fail("its own failure")


@pytest.mark.dg_budget("1s")
class CutAsync(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _agent(self, voice_agent: VoiceAgent) -> None:
        self.agent = voice_agent

    async def test_in_a_coroutine(self) -> None:
        async with self.agent.connect() as session:
            with pytest.raises(BudgetExceeded):
                await session.expect("Never", timeout=10)
