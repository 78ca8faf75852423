"""The real key, from key.txt, stays in the environment."""

import os
from pathlib import Path

from pytest_dgbudget import VoiceAgent

KEY = Path("key.txt").read_text(encoding="utf-8")


def test_it(voice_agent: VoiceAgent) -> None:
    assert os.environ["DEEPGRAM_API_KEY"] == KEY
    assert os.environ["DGBUDGET_ACTIVE"] == "kept"
    assert voice_agent.endpoint.environ["DEEPGRAM_API_KEY"] not in (KEY, "")
