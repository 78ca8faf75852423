import os
import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_it(voice_agent: VoiceAgent) -> None:
    Path("token").write_text(voice_agent.endpoint.api_key, encoding="ascii")
    Path("environ").write_text(repr(dict(os.environ)), encoding="utf-8")
    with voice_agent.connect():
        while not Path("go-on").exists():
            time.sleep(0.01)
