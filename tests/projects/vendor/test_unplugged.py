import os
import subprocess
import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget("2s")
def test_unplugged(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        subprocess.run(["ip", "link", "set", os.environ["CABLE"], "down"], check=True)
        time.sleep(3)
