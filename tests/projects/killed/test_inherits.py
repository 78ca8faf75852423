import os
import signal
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


def test_is_killed(voice_agent: VoiceAgent) -> None:
    Path("token").write_text(voice_agent.endpoint.api_key, encoding="ascii")
    voice_agent.connect().__enter__()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.dg_budget("20s")
def test_comes_after(voice_agent: VoiceAgent) -> None:
    assert os.environ["PYTEST_XDIST_WORKER"] == "gw1"
    assert (voice_agent.usage.seconds, voice_agent.usage.sessions) == (0, 0)
    assert voice_agent.remaining == 20
    headers = {"Authorization": "Token " + Path("token").read_text(encoding="ascii")}
    with pytest.raises(InvalidStatus) as refused:
        connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 401
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
