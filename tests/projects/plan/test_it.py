"""Tests of every kind that a plan tells apart; none of their bodies may run."""

from __future__ import annotations

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("order", ["small", "large"])
def test_known(voice_agent: VoiceAgent, order: str) -> None:
    raise AssertionError("its body ran")


@pytest.mark.dg_budget("20s")
def test_new(voice_agent: VoiceAgent) -> None:
    raise AssertionError("its body ran")


def test_by_process_token() -> None:
    raise AssertionError("its body ran")


def test_plain() -> None:
    raise AssertionError("its body ran")


@pytest.mark.skip(reason="not now")
def test_skipped(voice_agent: VoiceAgent) -> None:
    raise AssertionError("its body ran")


@pytest.mark.xfail(run=False, reason="it hangs")
def test_not_run(voice_agent: VoiceAgent) -> None:
    raise AssertionError("its body ran")


@pytest.mark.dg_target("emulator")
def test_emulated(voice_agent: VoiceAgent) -> None:
    raise AssertionError("its body ran")
