import time
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.mark.parametrize("n", range(8))
@pytest.mark.dg_budget("10s")
def test_wants_ten_seconds(voice_agent: VoiceAgent, n: int) -> None:
    Path(f"here-{n}").touch()
    until = time.monotonic() + 20
    while len(list(Path.cwd().glob("here-*"))) < 8 and time.monotonic() < until:
        time.sleep(0.01)
    with voice_agent.connect():
        time.sleep(0.4)
