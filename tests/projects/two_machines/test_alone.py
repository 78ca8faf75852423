"""Run by a worker on another machine alone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


def test_opens(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> None:
    assert os.environ.get("DGBUDGET_TARGET", "emulator") == voice_agent.target
    told = getattr(request.config, "workerinput", {})
    Path("told.json").write_text(json.dumps({**told, "environment": dict(os.environ)}, default=str), encoding="utf-8")
    with voice_agent.connect():
        pass


def test_is_killed(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        os.kill(os.getpid(), signal.SIGKILL)


def test_is_killed_while_its_gateway_stands_still(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        (gateway,) = " ".join(each.read_text() for each in Path("/proc/self/task").glob("*/children")).split()
        Path("gateway.pid").write_text(gateway, encoding="ascii")
        time.sleep(1)  # it is in the midst of no transaction then, which the server would end only after 20 s
        os.kill(int(gateway), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGKILL)


def test_stays_open(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        time.sleep(60)
