import signal
import threading
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from pytest_dgbudget import VoiceAgent

FROZEN = 1e9  # as by freezegun: what is put off by this clock comes in thirty years


def test_stops_the_clocks(voice_agent: VoiceAgent) -> None:
    with (
        mock.patch("time.monotonic", return_value=FROZEN),
        mock.patch.object(BaseEventLoop, "time", return_value=FROZEN),
        mock.patch("asyncio.wait_for", new=mock.AsyncMock()),
    ):
        threading.Event().wait(0.7)  # a heartbeat and its watch fall into it


def test_hangs(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect():
        signal_gateway(signal.SIGSTOP)
        until = time.monotonic() + 15
        while not Path("go-on").exists() and time.monotonic() < until:
            time.sleep(0.01)


def test_after(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
