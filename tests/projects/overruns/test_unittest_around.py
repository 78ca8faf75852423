"""Cuts in what surrounds a TestCase's method, and skips that follow them there."""

import unittest

import pytest

from pytest_dgbudget import BudgetExceeded, VoiceAgent

pytestmark = pytest.mark.dg_budget("1s")


def use_up(agent: VoiceAgent) -> None:
    with pytest.raises(BudgetExceeded), agent.connect() as session:
        session.expect("Never", timeout=10)


class _WithAgent(unittest.TestCase):
    agent: VoiceAgent

    @pytest.fixture(autouse=True)
    def _agent(self, voice_agent: VoiceAgent) -> None:
        self.agent = voice_agent


class SetUp(_WithAgent):
    def setUp(self) -> None:
        use_up(self.agent)
        self.skipTest("in setUp")

    def test_is_set_up(self) -> None:
        pass


class TearDown(_WithAgent):
    def tearDown(self) -> None:
        use_up(self.agent)
        self.skipTest("in tearDown")

    def test_is_torn_down(self) -> None:
        pass


class CleanUp(_WithAgent):
    def test_is_cleaned_up(self) -> None:
        self.addCleanup(use_up, self.agent)

    def test_has_a_subtest_that_skips(self) -> None:
        with self.subTest("one"):
            self.skipTest("in a subtest")
        use_up(self.agent)


class TearDownAsync(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _agent(self, voice_agent: VoiceAgent) -> None:
        self.agent = voice_agent

    async def asyncTearDown(self) -> None:
        async with self.agent.connect() as session:
            with pytest.raises(BudgetExceeded):
                await session.expect("Never", timeout=10)

    async def test_is_torn_down_in_a_loop(self) -> None:
        pass


class AsksLate(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _request(self, request: pytest.FixtureRequest) -> None:
        self.request = request

    def test_asks_late(self) -> None:
        use_up(self.request.getfixturevalue("voice_agent"))
