"""Clocks and waits that the standard library's mock has replaced, beside our threads and under them."""

import itertools
import threading
import time
from asyncio.base_events import BaseEventLoop
from unittest import mock

import pytest

from pytest_dgbudget import ExpectTimeout, VoiceAgent

real_monotonic = time.monotonic


def wait(seconds: float) -> None:
    """Wait without asking any clock."""
    threading.Event().wait(seconds)


def test_first(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hi")


def test_elsewhere_a_clock_runs_ahead() -> None:
    with mock.patch("time.monotonic", side_effect=itertools.count(10**6, 10)):
        wait(1)


def test_elsewhere_a_clock_has_three_instants() -> None:
    with mock.patch("time.monotonic", side_effect=[10.0, 10.5, 11.0]):
        first = time.monotonic()
        wait(0.7)
        assert time.monotonic() - first == 0.5


def test_a_clock_that_stands_still(voice_agent: VoiceAgent) -> None:
    began = real_monotonic()
    with (
        mock.patch("time.monotonic", return_value=1.0),
        mock.patch.object(BaseEventLoop, "time", return_value=1.0),
        voice_agent.connect() as session,
    ):
        with pytest.raises(ExpectTimeout):
            session.expect("NeverComes", timeout="300ms")
        session.send_audio(bytes(24_000 * 2 * 3 // 10), pace=1.0)
    assert 0.6 <= real_monotonic() - began < 10


def test_waits_that_return_at_once(voice_agent: VoiceAgent) -> None:
    began = real_monotonic()
    with (
        mock.patch("asyncio.sleep", new=mock.AsyncMock()) as sleep,
        mock.patch("asyncio.wait_for", new=mock.AsyncMock()),
        mock.patch("time.sleep"),
        voice_agent.connect() as session,
    ):
        assert session.say("hi").reply
        session.send_audio(bytes(24_000 * 2 * 3 // 10), pace=1.0)
        with pytest.raises(ExpectTimeout):
            session.expect("NeverComes", timeout="300ms")
    assert 0.6 <= real_monotonic() - began < 10
    assert not sleep.called
    assert "KeepAlive" not in str(voice_agent.emulator.journal())


def test_last(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hi").reply
