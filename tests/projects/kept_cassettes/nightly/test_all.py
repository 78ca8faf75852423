"""A test where pytest does not look by itself."""

from __future__ import annotations

from pytest_dgbudget import VoiceAgent


def test_all(voice_agent: VoiceAgent) -> None:
    raise AssertionError("it is collected alone")
