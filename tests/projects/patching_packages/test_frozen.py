"""Time that the package in TIME_PACKAGE freezes, in ``real_asyncio`` or not, or moves by hours."""

import os
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

import pytest

from pytest_dgbudget import ExpectTimeout, VoiceAgent

HOURS = 3600
real_clock = time.perf_counter if os.environ["TIME_PACKAGE"] == "time_machine" else time.monotonic
HALF_A_SECOND = bytes(24_000)


def frozen() -> AbstractContextManager[Any]:
    """Return a context in which time stands still; what it gives has ``shift`` or ``tick``."""
    world: AbstractContextManager[Any]
    if os.environ["TIME_PACKAGE"] == "time_machine":
        import time_machine

        world = time_machine.travel(0, tick=False)
    else:
        import freezegun

        real_asyncio = os.environ["TIME_PACKAGE"] == "freezegun.real_asyncio"
        world = freezegun.freeze_time("2024-01-15", real_asyncio=real_asyncio)
    return world


def test_first(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply


def test_frozen_elsewhere() -> None:
    with frozen():
        threading.Event().wait(1)


def test_frozen(voice_agent: VoiceAgent) -> None:
    began = real_clock()
    with frozen(), voice_agent.connect() as session:
        with pytest.raises(ExpectTimeout):
            session.expect("NeverComes", timeout="300ms")
        session.send_audio(HALF_A_SECOND, pace=1.0)
    assert 0.7 < real_clock() - began < 20


def test_moved_by_hours(voice_agent: VoiceAgent) -> None:
    with frozen() as time_, voice_agent.connect() as session:
        for _ in range(8):
            (time_.shift if hasattr(time_, "shift") else time_.tick)(HOURS)
            threading.Event().wait(0.2)
        assert session.say("hi").reply
