"""When a session is ended by the clock."""

from __future__ import annotations

import asyncio
import time

import pytest

from pytest_dgbudget.emulator.agent.limits import Limits, SessionTimer
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_client import session


@pytest.mark.asyncio
@pytest.mark.parametrize("settings", [{}, {"agent": {}}])
async def test_client_that_sends_nothing_is_timed_out(settings: dict[str, object]) -> None:
    async with Emulator(limits=Limits(silence=0.2)) as emulator, session(emulator, **settings) as client:
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"
        assert client.connection.close_reason == "CLIENT_MESSAGE_TIMEOUT"


@pytest.mark.asyncio
async def test_agent_that_talks_does_not_stand_in_for_the_client() -> None:
    limits = Limits(silence=0.4)
    async with Emulator(limits=limits) as emulator, session(emulator, agent={"greeting": "x" * 300}) as client:
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"
        assert "audio" in client.types()
        assert "AgentAudioDone" not in client.types()


@pytest.mark.asyncio
@pytest.mark.parametrize("message", ['{"type": "KeepAlive"}', b"\0" * 640])
async def test_any_message_keeps_the_session(message: str | bytes) -> None:
    async with Emulator(limits=Limits(silence=1.5)) as emulator, session(emulator, agent={}) as client:
        began = time.monotonic()
        while time.monotonic() - began < 3.6:
            await client.connection.send(message)
            await client.send("UpdatePrompt", prompt="x")
            await client.until("PromptUpdated")
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"


@pytest.mark.asyncio
async def test_session_is_warned_at_1_h_55_and_ended_at_2_h_whatever_its_client_sends() -> None:
    async with Emulator(limits=Limits(speed=7200)) as emulator, session(emulator, agent={}) as client:
        began = time.monotonic()
        await client.send("KeepAlive")
        warning = await client.until("Warning")
        assert warning["code"] == "MAXIMUM_SESSION_LENGTH_APPROACHING"
        assert "300 s" in warning["description"]
        assert time.monotonic() - began > 0.8
        await client.send("KeepAlive")
        assert await client.failure() == "MAXIMUM_SESSION_LENGTH_REACHED"
        assert 0.9 < time.monotonic() - began < 9
        assert client.types().count("Warning") == 1


@pytest.mark.asyncio
async def test_warning_comes_once_however_often_the_clock_is_looked_at() -> None:
    warned = []

    async def warn(code: str, _: str) -> None:
        warned.append(code)

    timer = SessionTimer(Limits(silence=0.2, warning=0), warn)
    asyncio.get_running_loop().call_later(0.1, timer.heard)
    with pytest.raises(ProtocolError, match="CLIENT_MESSAGE_TIMEOUT"):
        await timer.run()
    assert warned == ["MAXIMUM_SESSION_LENGTH_APPROACHING"]


def test_defaults_are_the_documented_two_hours() -> None:
    assert (Limits().warning, Limits().length) == (1 * 3600 + 55 * 60, 2 * 3600)
