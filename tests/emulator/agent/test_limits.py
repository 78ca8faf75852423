"""When a session is ended by the clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from pytest_dgbudget.emulator.agent.limits import SessionTimer
from pytest_dgbudget.emulator.behavior import Limits
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.session_clock import SessionClock
from tests.emulator.conftest import BRIEF
from tests.support.emulator_client import session
from tests.support.slow import slow

WAITED = "We waited too long for a websocket message. Please ensure that you"
BEFORE_SETTINGS = f"{WAITED} send a 'Settings' message at the beginning of the session."
AFTER_SETTINGS = f"{WAITED}'re sending binary messages containing user speech."


def limited(**limits: float) -> Emulator:
    return Emulator(behavior=replace(BRIEF, limits=Limits(**limits)))


@pytest.mark.asyncio
@pytest.mark.parametrize(("settings", "text"), [({}, BEFORE_SETTINGS), ({"agent": {}}, AFTER_SETTINGS)])
async def test_client_that_sends_nothing_is_timed_out(settings: dict[str, object], text: str) -> None:
    async with limited(silence=1) as emulator, session(emulator, **settings) as client:
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"
        assert client.seen[-1]["description"] == text


@pytest.mark.asyncio
async def test_agent_that_talks_does_not_stand_in_for_the_client() -> None:
    async with limited(silence=0.4) as emulator, session(emulator, agent={"greeting": "x" * 300}) as client:
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"
        assert "audio" in client.types()
        assert "AgentAudioDone" not in client.types()


@pytest.mark.asyncio
@pytest.mark.parametrize("message", [slow('{"type": "KeepAlive"}'), b"\0" * 640])
async def test_any_message_keeps_the_session(message: str | bytes) -> None:
    async with limited(silence=1.5) as emulator, session(emulator, agent={}) as client:
        began = time.monotonic()
        while time.monotonic() - began < 3.6:
            await client.connection.send(message)
            await client.send("UpdatePrompt", prompt="x")
            await client.until("PromptUpdated")
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"


@pytest.mark.asyncio
async def test_session_is_warned_at_1_h_55_and_ended_at_2_h_whatever_its_client_sends() -> None:
    async with limited(speed=7200) as emulator:
        began = time.monotonic()
        async with session(emulator, agent={}) as client:
            await client.send("KeepAlive")
            warning = await client.until("Warning")
            assert warning["code"] == "MAXIMUM_SESSION_LENGTH_APPROACHING"
            assert "300 s" in warning["description"]
            assert time.monotonic() - began > 0.8
            await client.send("KeepAlive")
            assert await client.failure() == "MAXIMUM_SESSION_LENGTH_REACHED"
            assert client.connection.close_code == 1000
            assert 0.9 < time.monotonic() - began < 9
            assert client.types().count("Warning") == 1


@pytest.mark.asyncio
async def test_warning_comes_once_however_often_the_clock_is_looked_at() -> None:
    warned = []

    async def warn(code: str, _: str) -> None:
        warned.append(code)

    timer = SessionTimer(Limits(silence=0.2, warning=0), SessionClock("vendor"), warn)
    asyncio.get_running_loop().call_later(0.1, timer.heard)
    with pytest.raises(ProtocolError, match="CLIENT_MESSAGE_TIMEOUT"):
        await timer.run()
    assert warned == ["MAXIMUM_SESSION_LENGTH_APPROACHING"]


@pytest.mark.asyncio
async def test_skipped_time_counts_towards_the_longest_session_and_not_as_silence() -> None:
    warned = []

    async def warn(code: str, _: str) -> None:
        warned.append(code)

    clock = SessionClock("max")
    running = asyncio.ensure_future(SessionTimer(Limits(), clock, warn).run())
    await asyncio.sleep(0)
    await clock.sleep(3600)
    assert warned == []
    await clock.sleep(3590)
    assert not running.done()
    await clock.sleep(10)
    with pytest.raises(ProtocolError, match="MAXIMUM_SESSION_LENGTH_REACHED"):
        await asyncio.wait_for(running, 10)
    assert warned == ["MAXIMUM_SESSION_LENGTH_APPROACHING"]


def test_defaults_are_the_documented_two_hours_and_about_the_measured_silence() -> None:
    assert (Limits().warning, Limits().length) == (1 * 3600 + 55 * 60, 2 * 3600)
    assert 10 <= Limits().silence <= 12.5
