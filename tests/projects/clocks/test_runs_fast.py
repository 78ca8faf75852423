"""Our own clock runs twenty times too fast: whatever it says, a gateway that sends heartbeats is left alone."""

import threading
import time
from unittest import mock

from pytest_dgbudget import VoiceAgent


def test_talks_all_the_time(voice_agent: VoiceAgent) -> None:
    def time_flies() -> float:
        return 20 * time.monotonic()

    loop = voice_agent._opening.gateway.io_thread.loop
    with (
        voice_agent.connect() as session,
        mock.patch.object(loop, "time", new=time_flies),
    ):
        threading.Event().wait(1.5)
        session.say("hi", timeout=600)
