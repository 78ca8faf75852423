"""Markers whose arguments choose no pace."""

from __future__ import annotations

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_scenario(pace="fast")
def test_unknown(voice_agent: VoiceAgent) -> None:
    raise AssertionError


@pytest.mark.dg_scenario(pace=1)
def test_number(voice_agent: VoiceAgent) -> None:
    raise AssertionError


@pytest.mark.dg_scenario(name="x", pace=None, speed=1)
def test_unknown_argument(voice_agent: VoiceAgent) -> None:
    raise AssertionError


@pytest.mark.dg_scenario
def test_nothing(voice_agent: VoiceAgent) -> None:
    raise AssertionError
