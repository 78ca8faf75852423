"""Slow turns in tests of the standard library's kind, which keep what they end with."""

from __future__ import annotations

import unittest

import pytest

from pytest_dgbudget import VoiceAgent
from tests.support.limit_scenes import LIMIT, LIMIT_SCRIPTS
from tests.support.timed_vendor import OVER, SESSION


@pytest.mark.dg_latency(p95=LIMIT)
class SlowTests(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take(self, voice_agent: VoiceAgent) -> None:
        self.voice_agent = voice_agent

    def talk(self) -> None:
        headers = {SESSION: f"{self._testMethodName}/slow"}
        with self.voice_agent.connect(settings=LIMIT_SCRIPTS["slow"].settings, headers=headers) as session:
            session.send({"type": "InjectUserMessage", "content": "0"})
            session.expect(OVER)

    def test_slow(self) -> None:
        self.talk()

    @pytest.mark.dg_latency(turns=2, p95="off")
    def test_in_parts(self) -> None:
        for part in range(2):
            with self.subTest(part=part):
                self.talk()

    def test_skips(self) -> None:
        self.talk()
        self.skipTest("because")

    def test_skips_early(self) -> None:
        self.skipTest("because")

    @unittest.expectedFailure
    def test_is_expected_to_fail(self) -> None:
        self.talk()
        self.fail("as expected")
