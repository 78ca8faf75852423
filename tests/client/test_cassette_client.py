"""A client that has a cassette's session again, with a vendor that does not do as it did. It never hangs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.vendor_side import CLOSE
from pytest_dgbudget.client import cassette_client
from pytest_dgbudget.client.cassette_client import HadAgain, NotOpened, have_again
from pytest_dgbudget.client.endpoint import Endpoint
from pytest_dgbudget.recording.lines import NOT_JSON, payload_of
from tests.support.varied_sessions import (
    APPLIED,
    AUDIO,
    DONE,
    SETTINGS,
    STARTED,
    WELCOME,
    Script,
    answered,
    begun,
    called,
    injected,
    remembered,
    said,
)
from tests.support.vendor import KEY, Seen, Vendor

PATIENCE = 0.5
GREETING: list[Any] = [*said("assistant", "Hello."), AUDIO, DONE]
REPLY: list[Any] = [*said("assistant"), AUDIO, DONE]

Answers = Callable[[dict[str, Any], ServerConnection], Awaitable[None]]


async def send(connection: ServerConnection, *messages: Any) -> None:
    for message in messages:
        await connection.send(message if isinstance(message, bytes) else json.dumps(message))


def vendor(answers: Answers, greeting: Sequence[Any] = GREETING) -> Vendor:
    async def talk(connection: ServerConnection, seen: Seen) -> None:
        await send(connection, WELCOME)
        async for data in connection:
            if isinstance(data, bytes):
                seen.audio_bytes += len(data)
                await answers({"type": "(audio)", "bytes": seen.audio_bytes}, connection)
                continue
            message = payload_of(data)
            seen.messages.append({**message, "at": time.monotonic()})
            if message["type"] == "Settings":
                await send(connection, APPLIED, *greeting)
            await answers(message, connection)

    return Vendor(talk)


@contextmanager
def played_at(running: Vendor) -> Iterator[Callable[[Cassette], HadAgain]]:
    address = running.url.removeprefix("ws://").partition("/")[0]
    endpoint = Endpoint(
        address=address,
        run_id="run",
        target="live",
        key_variables=(),
        redirect=None,
        redirects_children=False,
        api_key=KEY,
    )
    yield lambda cassette: asyncio.run(have_again(cassette, endpoint, PATIENCE))


def had(cassette: Cassette, answers: Answers) -> tuple[HadAgain, list[dict[str, Any]]]:
    """Return what became of it, and what the vendor was told."""
    with vendor(answers) as running, played_at(running) as play:
        again = play(cassette)
        (seen,) = running.wait_closed(1)
        return again, seen.messages


def talk(*, closed_by: str = "client") -> Cassette:
    script = begun()
    for text in ("One", "Two"):
        script.client(injected(text), after_ms=20).vendor(*said("user"), *REPLY, after_ms=50)
    return script.cassette(closed_by=closed_by)


def test_a_text_that_is_no_json_is_sent_as_it_was() -> None:
    text = {"type": NOT_JSON, "text": "no {JSON"}
    _, told = had(begun().client(text, after_ms=20).cassette(), replies)
    assert [message.get("text") for message in told] == [None, "no {JSON"]


async def replies(message: dict[str, Any], connection: ServerConnection) -> None:
    if message["type"] == "InjectUserMessage":
        await send(connection, *said("user", message["content"]), *REPLY)


def test_a_session_is_had_again_to_its_end() -> None:
    again, told = had(talk(), replies)
    assert (again.missed, again.unanswered, again.is_whole) == ([], [], True)
    assert [each.get("content") for each in told] == [None, "One", "Two"]


def test_the_next_text_waits_for_the_whole_answer_however_long_the_agent_goes_on() -> None:
    async def goes_on(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "InjectUserMessage":
            await send(connection, *said("user", message["content"]))
            for _ in range(6):
                await asyncio.sleep(PATIENCE * 0.3)
                await send(connection, *said("assistant"), AUDIO)
            await send(connection, DONE)

    again, told = had(talk(), goes_on)
    assert (again.missed, again.is_whole) == ([], True)
    assert told[2]["at"] - told[1]["at"] > 6 * PATIENCE * 0.3


def test_who_speaks_into_the_greeting_waits_for_the_answer_as_well() -> None:
    """What the greeting has left is of the same kinds as the answer."""
    over: list[str] = []

    async def greets_on(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "InjectUserMessage":
            await send(connection, *said("user"), *REPLY, *REPLY[:-1])
            await asyncio.sleep(0.1)
            await send(connection, DONE)
            over.append(message["content"])

    script = Script().vendor(WELCOME).client(SETTINGS).vendor(APPLIED, after_ms=20).client(injected("At once"))
    cassette = script.vendor(*said("user"), *GREETING, *REPLY).cassette()
    with vendor(greets_on, greeting=[]) as running, played_at(running) as play:
        again = play(cassette)
        running.wait_closed(1)
    assert (again.missed, again.is_whole, over) == ([], True, ["At once"])


def test_what_never_comes_is_missed_once_and_the_client_goes_on() -> None:
    async def without_history(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "InjectUserMessage":
            await send(connection, said("user")[0], *REPLY)

    begun_at = time.monotonic()
    again, told = had(talk(), without_history)
    assert (again.missed, again.is_whole, len(told)) == (["History (user)"], True, 3)
    assert time.monotonic() - begun_at < 4 * PATIENCE + 2


def test_a_vendor_that_says_nothing_more_ends_the_session_in_time() -> None:
    async def nothing(message: dict[str, Any], connection: ServerConnection) -> None:
        """Leave the client waiting."""

    again, told = had(talk(), nothing)
    assert {"AgentAudioDone", "ConversationText (user)"} <= {*again.missed}
    assert (again.is_whole, len(told)) == (True, 3)


def test_a_vendor_that_closes_ends_the_session_which_is_not_whole() -> None:
    async def closes(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "InjectUserMessage":
            await connection.close(4000)

    again, told = had(talk(), closes)
    assert (again.missed, again.is_whole, len(told)) == ([], False, 2)


@pytest.mark.parametrize("closes", [True, False])
def test_a_close_of_the_vendors_is_awaited_where_it_was_recorded(closes: bool) -> None:
    async def replies_and_closes(message: dict[str, Any], connection: ServerConnection) -> None:
        await replies(message, connection)
        if closes and message.get("content") == "Two":
            await connection.close(1000)

    again, _ = had(talk(closed_by="server"), replies_and_closes)
    assert (again.missed, again.is_whole) == ([] if closes else [CLOSE], True)


def test_functions_are_answered_by_name_with_the_ids_that_came_and_unknown_ones_are_noted() -> None:
    async def calls(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "InjectUserMessage":
            await send(connection, *said("user"), called(71), called(72, "cancel"))
        elif message["type"] == "FunctionCallResponse":
            await send(connection, remembered(71), *REPLY)

    script = begun().client(injected()).vendor(*said("user"), called(1)).client(answered(1), after_ms=30)
    again, told = had(script.vendor(remembered(1), *REPLY).cassette(), calls)
    (answer,) = (each for each in told if each["type"] == "FunctionCallResponse")
    assert (answer["id"], answer["name"], answer["content"]) == ("call-71", "look_up", "here")
    assert (again.unanswered, again.missed, again.is_whole) == (["cancel"], [], True)


def test_speech_goes_out_in_real_time_and_silence_after_it_until_the_agent_is_done() -> None:
    heard: list[tuple[float, int]] = []

    async def hears(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "(audio)":
            heard.append((time.monotonic(), message["bytes"]))
            if len(heard) == 30:
                await send(connection, STARTED, *said("user"), *REPLY)

    cassette = begun().speaks(400, 900, after_ms=20).vendor(STARTED, *said("user"), *REPLY).cassette()
    again, _ = had(cassette, hears)
    assert (again.missed, again.is_whole) == ([], True)
    (first_at, first), (last_at, last) = heard[0], heard[29]
    assert (last - first) / 16_000 == pytest.approx(last_at - first_at, abs=0.25)
    assert last > 0.4 * 16_000


def test_who_waits_without_audio_keeps_the_session_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassette_client, "_KEEP_ALIVE_SECONDS", 0.1)

    async def late(message: dict[str, Any], connection: ServerConnection) -> None:
        if message["type"] == "InjectUserMessage":
            await asyncio.sleep(0.35)
            await replies(message, connection)

    _, told = had(talk(), late)
    assert sum(each["type"] == "KeepAlive" for each in told) >= 4


def test_a_session_that_is_refused_says_why() -> None:
    refused: tuple[int, dict[str, str], bytes] = (
        402,
        {},
        json.dumps({"err_code": "DGBUDGET_EXHAUSTED", "err_msg": "nothing is left"}).encode(),
    )
    with Vendor(refuse=refused) as running, played_at(running) as play, pytest.raises(NotOpened) as error:
        play(talk())
    assert str(error.value) == "it was refused with 402: nothing is left"
