"""Run by many pytests at once: each session spends until a budget cuts it, and turns to a dearer model on the way."""

from __future__ import annotations

import time

import pytest

from pytest_dgbudget import VoiceAgent

ADVANCED = {"provider": {"type": "anthropic", "model": "claude-sonnet-4-5"}}
SETTINGS = {
    "type": "Settings",
    "audio": {"input": {"encoding": "linear16", "sample_rate": 16000}},
    "agent": {
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}},
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    },
}


@pytest.mark.dg_budget("4s", cost=0.005, idle="off")
@pytest.mark.parametrize("after", [2.9, 3.2, 3.4, 0.4, 1.0])
def test_spends(voice_agent: VoiceAgent, after: float) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        time.sleep(after)
        session.update_think(ADVANCED)
        session.expect("Never", timeout="20s")
