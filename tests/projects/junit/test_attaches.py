"""Tests that attach something themselves."""

from pytest_dgbudget import VoiceAgent


def test_attaches(voice_agent: VoiceAgent) -> None:
    print("[[ATTACHMENT|screenshot.png]]")
    raise AssertionError


def test_almost_attaches(voice_agent: VoiceAgent) -> None:
    print("[[ATTACHMENT|]] [[ATTACHMENT|")
    raise AssertionError
