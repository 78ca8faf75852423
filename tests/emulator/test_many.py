"""Many sessions, and clients that vanish: nothing is left, nothing is printed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest

from pytest_dgbudget.emulator.agent import conversation
from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.timing import FRAME_MS
from tests.emulator.agent.test_speech import ORDER
from tests.emulator.conftest import BRIEF
from tests.support.emulator_api import until
from tests.support.emulator_client import SPEECH, Client, deaf_session, frame, session, speak

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("brief")]


async def test_a_hundred_sessions_at_once(emulator: Emulator) -> None:
    async def talk(n: int) -> None:
        async with session(emulator, agent={}) as client:
            await client.send("InjectUserMessage", content=str(n))
            await client.until("AgentAudioDone")
            assert client.said()[-4]["content"] == f"You said: {n}"

    start = time.monotonic()
    await asyncio.gather(*map(talk, range(100)))
    assert time.monotonic() - start < 10


TALK = "One thing. Another, somewhat longer thing! Is there more?"
BYTES_PER_MS = 32  # linear16 at 16 kHz
REPORTS = ["LatencyReport"] * 2
SAID = ["ConversationText", "History"]


def whole_turn(client: Client) -> None:
    """Nothing is missing, nothing is twice, nothing is out of order."""
    assert [each for each in client.types()[2:] if each != "audio"] == [
        *SAID, *REPORTS, *SAID, *REPORTS, *SAID, *SAID, "AgentAudioDone",
    ]  # fmt: skip
    said = [each["content"] for each in client.said() if each["type"] == "ConversationText"]
    assert said == [TALK, "You said: One thing.", "Another, somewhat longer thing!", "Is there more?"]
    for text in said[1:]:
        frames = frames_of(client, text)
        assert sum(frames) == voice.duration_ms(text) * BYTES_PER_MS
        assert {*frames[:-1]} <= {FRAME_MS * BYTES_PER_MS}


def frames_of(client: Client, text: str) -> list[int]:
    """The sizes of the frames between this sentence's text and the next one's."""
    messages = iter(client.seen)
    next(each for each in messages if isinstance(each, dict) and each.get("content") == text)
    sentence = itertools.takewhile(
        lambda each: isinstance(each, bytes) or each["type"] in ("History", "LatencyReport"), messages
    )
    return [len(each) for each in sentence if isinstance(each, bytes)]


async def test_a_hundred_sessions_at_pace_max_lose_and_reorder_nothing() -> None:
    async with Emulator(pace="max") as emulator:

        async def talk() -> None:
            async with session(emulator, flags={}, agent={}) as client:
                await client.send("InjectUserMessage", content=TALK)
                await client.until("AgentAudioDone")
                whole_turn(client)

        start = time.monotonic()
        await asyncio.gather(*(talk() for _ in range(100)))
        assert time.monotonic() - start < 60  # said aloud, each takes 5 s; most of this is the clients' checking


async def greeted(client: Client) -> None:
    await client.start(agent={"greeting": "x" * 100})
    await client.until("ConversationText")


async def waiting_for_a_function(client: Client) -> None:
    await client.start(agent=ORDER)
    await client.send("InjectUserMessage", content="order")
    await client.until("FunctionCallRequest")


async def speaking(client: Client) -> None:
    await client.start()
    await speak(client, SPEECH)
    await client.until("UserStartedSpeaking")


async def failed(client: Client) -> None:
    await client.connection.send("nonsense")


@pytest.mark.parametrize("moment", [greeted, waiting_for_a_function, speaking, failed])
async def test_client_that_vanishes_leaves_nothing(
    emulator: Emulator,
    moment: Callable[[Client], asyncio.Future[None]],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = asyncio.all_tasks()
    async with session(emulator) as client:
        await moment(client)
        client.connection.transport.abort()
    await until(lambda: asyncio.all_tasks() <= before)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


async def test_client_that_reads_nothing_is_not_waited_for() -> None:
    async with Emulator(patience=0.1, behavior=BRIEF) as emulator:
        before = asyncio.all_tasks()
        with await asyncio.to_thread(deaf_session, emulator.agent_url, emulator.api_key) as raw:
            await until(lambda: not asyncio.all_tasks() <= before)
            await asyncio.to_thread(raw.sendall, frame(b"nonsense"))
            await until(lambda: asyncio.all_tasks() <= before)


async def test_close_of_the_client_is_answered(emulator: Emulator) -> None:
    async with session(emulator, agent={"greeting": "x" * 100}) as client:
        await client.until("ConversationText")
        await client.connection.close()
        assert client.connection.close_code == 1000


async def test_bug_of_ours_is_an_error_and_logged(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(conversation._HANDLERS, "KeepAlive", None)
    async with session(emulator, agent={}) as client:
        await client.send("KeepAlive")
        assert await client.failure() == "INTERNAL_SERVER_ERROR"
        assert client.connection.close_code == 1005
    assert "the emulator failed" in caplog.text
