"""Tests that have cassettes: one that every run has, and one that most leave out."""

from __future__ import annotations

import pytest

from pytest_dgbudget import VoiceAgent


def test_status(voice_agent: VoiceAgent) -> None:
    raise AssertionError("it is collected alone")


@pytest.mark.nightly
@pytest.mark.parametrize("order", ["a", "b"])
def test_refund(order: str, voice_agent: VoiceAgent) -> None:
    raise AssertionError("it is collected alone")
