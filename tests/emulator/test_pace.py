"""Pace max: what it skips, what stays real, and the forecast of what a session would have taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from pytest_dgbudget.emulator.behavior import Limits
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.session_clock import PACES, Pace
from tests.emulator.conftest import BRIEF
from tests.support.emulator_api import ask, rows, until
from tests.support.emulator_client import (
    INPUT,
    ORDER,
    SILENCE,
    SPEECH,
    Client,
    asked,
    playing,
    session,
    speak,
    thinking,
)

pytestmark = pytest.mark.asyncio

WAITS = '[[scenario.turn]]\nwait = "10m"\nreply = "At last. Here I am."\n'


async def skipped(emulator: Emulator, client: Client) -> float:
    reply = await ask(emulator, f"/emulator/v1/sessions/{client.seen[0]['request_id']}")
    return float(reply.json["skipped_seconds"])


async def end(emulator: Emulator) -> dict[str, Any]:
    """The last session's end, as the journal has it."""
    await until(lambda: emulator._journal.of("default")[-1]["payload"]["type"] == "(end)")
    return dict(emulator._journal.of("default")[-1]["payload"])


async def converse(client: Client) -> None:
    """A turn by text, one by voice and a function."""
    await client.send("InjectUserMessage", content="Tell me more. A lot more.")
    await client.until("AgentAudioDone")
    await speak(client, SPEECH + SILENCE)
    await client.until("AgentAudioDone")
    function = await asked(client)
    await client.send("FunctionCallResponse", id=function["id"], name=function["name"], content="shipped")
    await client.until("AgentAudioDone")


@pytest.mark.slow
async def test_the_forecast_is_what_the_same_session_takes_at_pace_vendor() -> None:
    taken: dict[Pace, dict[str, Any]] = {}
    for pace in PACES:
        async with Emulator(pace=pace) as emulator:
            async with session(emulator, agent={**thinking(ORDER), "greeting": "Hello there."}) as client:
                await client.until("AgentAudioDone")
                await converse(client)
            taken[pace] = await end(emulator)
    real, fast = taken["vendor"], taken["max"]
    assert real["seconds"] == real["forecast_seconds"] > 5
    assert fast["seconds"] < real["seconds"] / 3
    spoken_at_once = (len(SPEECH) + len(SILENCE)) / 32_000  # at pace max audio that comes at once counts in full
    assert fast["forecast_seconds"] == pytest.approx(real["seconds"] + spoken_at_once, rel=0.1)


@pytest.mark.parametrize("pace", PACES)
async def test_who_listens_to_the_end_spends_the_time_that_it_takes(pace: Pace) -> None:
    said = "Welcome to the order desk, where you can ask about an order, or change an address."
    async with Emulator(pace=pace) as emulator, session(emulator, agent={**thinking(), "greeting": said}) as client:
        await client.until("AgentAudioDone")
        before = await skipped(emulator, client)
        heard = await ask(emulator, "/emulator/v1/grants/default/listening", method="POST", body=b"{}")
        assert heard.status == 200
        listened = await skipped(emulator, client) - before
        audio = sum(len(each) for each in client.seen if isinstance(each, bytes)) / 32_000  # bytes a second
        assert listened == (pytest.approx(audio * 2 / 3, abs=0.2) if pace == "max" else 0)
        again = await ask(emulator, "/emulator/v1/grants/default/listening", method="POST", body=b"{}")
        assert (again.status, await skipped(emulator, client)) == (200, before + listened)


async def test_a_wait_of_a_scenario_is_skipped_and_counted(write: Callable[[str], Path]) -> None:
    async with Emulator(pace="max") as emulator, playing(emulator, write(WAITS)) as client:
        began = time.monotonic()
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        assert time.monotonic() - began < 5
        assert 600 < await skipped(emulator, client) < 610


async def test_thinking_is_counted_inside_a_scenarios_wait(write: Callable[[str], Path]) -> None:
    """A wait shorter than the second in which an agent thinks changes nothing."""
    path = write('[[scenario.turn]]\nwait = "900ms"\nreply = "Yes."\n')
    async with Emulator() as emulator, playing(emulator, path) as client:
        began = time.monotonic()
        await client.send("InjectUserMessage", content="x")
        await client.until("ConversationText")
        await client.until("ConversationText")
        assert 0.95 < time.monotonic() - began < 1.7


async def test_a_session_at_pace_max_reaches_the_cap_by_skipped_time(write: Callable[[str], Path]) -> None:
    async with Emulator(pace="max") as emulator, playing(emulator, write(WAITS)) as client:
        began = time.monotonic()
        for _ in range(11):
            await client.send("InjectUserMessage", content="x")
            await client.until("AgentAudioDone")
        assert "Warning" not in client.types()
        await client.send("InjectUserMessage", content="x")
        assert await client.failure() == "MAXIMUM_SESSION_LENGTH_REACHED"
        assert client.connection.close_code == 1000
        assert time.monotonic() - began < 30
        (warning,) = [each for each in client.said() if each["type"] == "Warning"]
        assert warning["code"] == "MAXIMUM_SESSION_LENGTH_APPROACHING"
        assert 7200 <= (await end(emulator))["forecast_seconds"] < 7300


async def test_one_long_wait_is_skipped_up_to_the_cap_and_no_further(write: Callable[[str], Path]) -> None:
    path = write('[[scenario.turn]]\nwait = "10h"\nreply = "Too late."\n')
    async with Emulator(pace="max") as emulator, playing(emulator, path) as client:
        await client.send("InjectUserMessage", content="x")
        assert await client.failure() == "MAXIMUM_SESSION_LENGTH_REACHED"
        assert client.types().count("Warning") == 1
        assert "Too late." not in str(client.said())
        assert (await end(emulator))["forecast_seconds"] == pytest.approx(7200, abs=5)


async def test_the_silence_of_a_client_and_the_end_of_its_turn_stay_real() -> None:
    limited = replace(BRIEF, limits=Limits(silence=3.0))
    async with (
        Emulator(pace="max", behavior=limited) as emulator,
        session(emulator, agent={"greeting": "x" * 2_000}) as client,
    ):
        began = time.monotonic()
        await client.until("AgentAudioDone")
        await speak(client, SPEECH)
        await client.until("UserStartedSpeaking")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.connection.recv(), 0.7)  # no silence has come: the turn goes on
        assert await client.failure() == "CLIENT_MESSAGE_TIMEOUT"
        assert 3.0 < time.monotonic() - began < 20


async def test_a_function_that_the_client_takes_long_to_answer_skips_nothing() -> None:
    async with Emulator(pace="max") as emulator, session(emulator, agent=thinking(ORDER)) as client:
        await asked(client)
        before = await skipped(emulator, client)
        await asyncio.sleep(0.5)  # the client's own time
        assert await skipped(emulator, client) == before


async def test_what_is_booked_is_the_sessions_real_time(write: Callable[[str], Path]) -> None:
    async with Emulator(pace="max", settlement_lag=0) as emulator:
        async with playing(emulator, write(WAITS)) as client:
            await client.send("InjectUserMessage", content="x")
            await client.until("AgentAudioDone")
        (row,) = await rows(emulator)
        ended = await end(emulator)
        assert row["response"]["details"]["usd"] == pytest.approx(ended["seconds"] * 0.075 / 60, rel=0.01, abs=1e-5)
        assert ended["forecast_seconds"] - ended["seconds"] > 600


async def test_audio_at_once_counts_and_in_real_time_does_not() -> None:
    async with Emulator(pace="max", behavior=BRIEF) as emulator, session(emulator, agent={}) as client:
        before = await skipped(emulator, client)
        piece = INPUT.sample_rate * 2 // 10
        sound = SPEECH[: 10 * piece] + SILENCE
        for at in range(0, len(sound), piece):
            await client.connection.send(sound[at : at + piece])
            await asyncio.sleep(0.1)  # real time
        await client.until("AgentAudioDone")
        in_real_time = await skipped(emulator, client) - before
        await speak(client, SPEECH + SILENCE)
        await client.until("AgentAudioDone")
        at_once = await skipped(emulator, client) - before - in_real_time
        assert at_once - in_real_time > 0.8


LONG_SILENCE = bytes(32_000 * 30)  # 30 s


async def test_silence_at_once_counts_from_the_next_message_on() -> None:
    async with Emulator(pace="max", behavior=BRIEF) as emulator, session(emulator, agent={}) as client:
        await client.connection.send(LONG_SILENCE)
        await client.send("InjectUserMessage", content="x")
        await client.until("AgentAudioDone")
        assert 29 < await skipped(emulator, client) < 35


@pytest.mark.parametrize("lost", [False, True])
async def test_silence_at_once_counts_when_the_session_ends(lost: bool) -> None:
    async with Emulator(pace="max", behavior=BRIEF) as emulator:
        async with session(emulator, agent={}) as client:
            await client.connection.send(LONG_SILENCE)
            await client.send("UpdatePrompt", prompt="x")
            await client.until("PromptUpdated")
            await client.connection.send(LONG_SILENCE)
            if lost:
                client.connection.transport.close()
        assert (await end(emulator))["forecast_seconds"] == pytest.approx(60, abs=3)


async def test_messages_between_audio_in_real_time_skip_nothing() -> None:
    async with Emulator(pace="max", behavior=BRIEF) as emulator, session(emulator, agent={}) as client:
        before = await skipped(emulator, client)
        for _ in range(10):
            await client.connection.send(bytes(3200))
            await client.send("KeepAlive")
            await asyncio.sleep(0.1)
        assert await skipped(emulator, client) - before < 0.1


@pytest.mark.parametrize(("header", "pace"), [("max", "max"), ("vendor", "vendor"), ("fast", "vendor")])
async def test_a_client_may_ask_for_its_pace(header: str, pace: str) -> None:
    async with Emulator() as emulator:
        headers = {"Authorization": f"Token {emulator.api_key}", "x-dgbudget-pace": header}
        async with connect(emulator.agent_url, additional_headers=headers, proxy=None) as connection:
            client = Client(connection)
            await client.until("Welcome")
            await client.start(agent={})
            assert (await skipped(emulator, client) > 0) == (pace == "max")


async def test_a_session_that_there_is_not_has_skipped_nothing(emulator: Emulator) -> None:
    assert (await ask(emulator, "/emulator/v1/sessions/none")).refusal() == (404, "NOT_FOUND")
