"""A test with a subtest that fails."""

import pytest

from pytest_dgbudget import VoiceAgent


def test_parts(voice_agent: VoiceAgent, subtests: pytest.Subtests) -> None:
    with subtests.test("one"):
        raise AssertionError
    with subtests.test("two"):
        pass
