"""A server that reads nothing any more, that thinks slowly, or whose audio is late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.emulator.agent import speaker
from pytest_dgbudget.emulator.faults.kinds import read_fault
from pytest_dgbudget.emulator.server import Emulator
from tests.emulator.conftest import BRIEF
from tests.support.emulator_api import rows, until
from tests.support.emulator_client import SILENCE, SPEECH, Client, playing, session, speak

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]


def add(emulator: Emulator, kind: str, **parameters: Any) -> None:
    emulator._grants.add(emulator._grants.named("default"), read_fault(kind, parameters))


def end_of(emulator: Emulator) -> dict[str, Any]:
    """The last record of the journal."""
    records = emulator._journal.of("default")
    return dict(records[-1]["payload"])


async def fill_up(client: Client) -> None:
    """Send audio until nothing more of it goes out."""
    transport = client.connection.transport
    sent = 0
    while transport.get_write_buffer_size() < 2**20:
        assert sent < 2**28
        await asyncio.wait([asyncio.ensure_future(client.connection.send(bytes(2**16)))], timeout=0.05)
        sent += 2**16


@pytest.mark.parametrize("gone", ["abort", "close"])
async def test_what_is_sent_to_a_deaf_server_backs_up_and_the_session_is_booked_when_the_client_goes(gone: str) -> None:
    async with Emulator(behavior=BRIEF, settlement_lag=0) as emulator:
        async with session(emulator, agent={}) as client:
            add(emulator, "deaf", at="KeepAlive")
            await client.send("KeepAlive")
            await until(lambda: emulator.sessions[0].injector.deaf)  # type: ignore[attr-defined]
            if gone == "abort":
                await fill_up(client)
                client.connection.transport.abort()
            else:
                client.connection.transport.close()
        (row,) = await rows(emulator)
        assert row["request_id"] == client.seen[0]["request_id"]
        assert end_of(emulator)["type"] == "(end)"


async def test_a_deaf_server_still_speaks_and_answers_nothing() -> None:
    async with Emulator(behavior=BRIEF, settlement_lag=0) as emulator:
        add(emulator, "deaf", at="ConversationText")
        async with session(emulator, agent={"greeting": "Hello"}) as client:
            await client.until("ConversationText")
            await client.send("UpdatePrompt", prompt="x")
            with pytest.raises(asyncio.TimeoutError):
                while True:
                    await asyncio.wait_for(client.next(), 0.5)
            assert "PromptUpdated" not in client.types()
            assert "Error" not in client.types()
            client.connection.transport.abort()
        await rows(emulator)


async def test_a_deaf_session_does_not_keep_the_emulator() -> None:
    async with AsyncExitStack() as stack:
        async with Emulator(behavior=BRIEF, patience=0.1) as emulator:
            client = await stack.enter_async_context(session(emulator, agent={}))
            add(emulator, "deaf", at="KeepAlive")
            await client.send("KeepAlive")
            await until(lambda: emulator.sessions[0].injector.deaf)  # type: ignore[attr-defined]
            began = time.monotonic()
        assert time.monotonic() - began < 5
        client.connection.transport.abort()


async def test_slow_thinking_is_warned_of_again_and_again(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "_WARNED_EVERY", 1)
    add(emulator, "slow-think", delay="2.2s")
    async with session(emulator, agent={"greeting": "Hi"}) as client:
        await client.until("AgentAudioDone")
        began = time.monotonic()
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        assert 2.2 < time.monotonic() - began < 10
    warned = [(each["code"], each["description"]) for each in client.said() if each["type"] == "Warning"]
    assert warned == [
        ("SLOW_THINK_REQUEST", f"We have now waited {seconds} seconds for a think response.") for seconds in (1, 2)
    ]


async def test_slow_thinking_is_real_at_pace_max_and_ends_with_the_users_speech(
    write: Callable[[str], Path],
) -> None:
    path = write('[[scenario.fault]]\nkind = "slow-think"\ndelay = "600ms"\n')
    async with Emulator(pace="max") as emulator, playing(emulator, path) as client:
        began = time.monotonic()
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        assert 0.6 < time.monotonic() - began < 5
        await client.send("InjectUserMessage", content="never answered")
        await client.until("ConversationText")
        await speak(client, SPEECH + SILENCE)
        await client.until("UserStartedSpeaking")
        await client.until("AgentAudioDone")
        assert "You said: never answered" not in [each.get("content") for each in client.said()]


async def test_late_audio_delays_the_first_frame_of_each_reply_and_no_text(emulator: Emulator) -> None:
    add(emulator, "late-audio", delay="400ms")
    async with session(emulator, agent={"greeting": "x" * 100}) as client:
        for _ in range(2):
            await client.until("ConversationText")
            began = time.monotonic()
            while client.types()[-1] != "audio":
                await client.next()
            first = time.monotonic()
            await client.until("AgentAudioDone")
            assert 0.3 < first - began < 3
            assert time.monotonic() - first < 2.5  # the other eight frames, of one second, are on time again
            await client.send("InjectAgentMessage", message="x" * 100)


@pytest.mark.slow
async def test_late_audio_that_begins_in_mid_reply_delays_the_first_frame_of_the_next(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "x" * 100}) as client:
        while client.types()[-1] != "audio":
            await client.next()
        add(emulator, "late-audio", delay="3s")
        began = time.monotonic()
        await client.until("AgentAudioDone")
        assert time.monotonic() - began < 2.8  # one second of speech
        await client.send("InjectAgentMessage", message="x")
        await client.until("ConversationText")
        began = time.monotonic()
        while client.types()[-1] != "audio":
            await client.next()
        assert time.monotonic() - began > 2.8
