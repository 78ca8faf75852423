"""An application with a client of its own, in a process of its own: metered, cut and closed all the same."""

import os
import subprocess
import sys
from pathlib import Path

from pytest_dgbudget import VoiceAgent

APP = Path(__file__).with_name("app.py")


def test_app(voice_agent: VoiceAgent) -> None:
    # DEEPGRAM_API_KEY is this test's token, DGBUDGET_AGENT_URL the gateway. A proxy has no business on loopback.
    environ = {**os.environ, **voice_agent.endpoint.environ, "no_proxy": "127.0.0.1"}

    app = subprocess.run(
        [sys.executable, APP, "Are you open today?"], env=environ, capture_output=True, text=True, timeout=30
    )

    assert "open today" in app.stdout, app.stderr
    assert voice_agent.usage.sessions == 1
