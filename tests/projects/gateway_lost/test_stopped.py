import os
import time
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_is_stopped(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        Path("pid").write_text(str(os.getpid()), encoding="ascii")
        assert session.say("hi").reply == "about hi"
        time.sleep(7)
        assert session.say("hi").reply == "about hi"
