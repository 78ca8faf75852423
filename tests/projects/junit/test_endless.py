"""Tests that end by themselves, and some that don't."""

import time

from pytest_dgbudget import VoiceAgent


def test_fails(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")
    raise AssertionError


def test_endless(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(60)


def test_passes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("one")


def test_endless_too(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(60)
