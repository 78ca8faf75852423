"""The examples as methods of TestCases, which get the fixture by an autouse fixture of their own."""

import unittest
from pathlib import Path

import pytest
import test_app
import test_audio
import test_greeting
import test_order_status
import test_overrun
import test_sync

from pytest_dgbudget import VoiceAgent


class TestPlain(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, voice_agent: VoiceAgent) -> None:
        self.voice_agent = voice_agent

    def test_app(self) -> None:
        with self.subTest("in a process of its own"):
            test_app.test_app(self.voice_agent)
        with self.subTest("afterwards"):
            assert self.voice_agent.usage.sessions == 1

    def test_sync(self) -> None:
        test_sync.test_sync(self.voice_agent)


class TestAsync(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, voice_agent: VoiceAgent, tmp_path: Path) -> None:
        self.voice_agent = voice_agent
        self.tmp_path = tmp_path

    async def test_audio(self) -> None:
        await test_audio.test_audio(self.voice_agent, self.tmp_path)

    async def test_greeting(self) -> None:
        await test_greeting.test_greeting(self.voice_agent)

    async def test_order_status(self) -> None:
        with self.subTest("a handler in the test's own loop"):
            await test_order_status.test_order_status(self.voice_agent)

    @unittest.expectedFailure
    @pytest.mark.dg_budget("1s")
    async def test_overrun(self) -> None:
        await test_overrun.test_overrun(self.voice_agent)
