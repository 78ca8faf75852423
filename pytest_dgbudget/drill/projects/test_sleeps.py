import time
from collections.abc import Callable

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(2))  # one for each of two workers; a single process never gets to the second
def test_sleeps(voice_agent: VoiceAgent, note_process: Callable[[str], None], n: int) -> None:
    with voice_agent.connect() as session:
        note_process(str(session.request_id))
        time.sleep(120)
