import os
import time

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.dg_budget(os.environ["TEST_BUDGET"])
def test_sleeps(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(4)


def test_after(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
