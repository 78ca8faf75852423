"""A session that is used before it is open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from websockets.datastructures import Headers
from websockets.http11 import Response

from pytest_dgbudget.client.connect import Opening, checked_headers
from pytest_dgbudget.client.endpoint import Endpoint
from pytest_dgbudget.client.voice_agent import Connect, VoiceAgent
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.errors import HandshakeRefused, SettingsError
from pytest_dgbudget.model import TargetName
from pytest_dgbudget.protocol.operations import GrantedAttempt


def test_a_session_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(
        AttributeError, match=r"the session is not open yet and has no say: use 'with voice_agent\.connect"
    ):
        Connect(cast(Opening, None), {}, {}).say("hi")


def refused(body: bytes, *headers: tuple[str, str]) -> HandshakeRefused:
    opening = Opening(
        gateway=cast(GatewayClient, None),
        endpoint=cast(Endpoint, None),
        attempt="a1",
        nodeid="test_it.py::test_it",
        skips_time=False,
        is_emulated=False,
    )
    error = asyncio.run(opening._why_refused(Response(402, "No", Headers(headers), body)))
    assert isinstance(error, HandshakeRefused)
    return error


@pytest.mark.parametrize("key", ["err_code", "err_msg", "category", "message", "request_id"])
def test_halves_of_characters_in_a_refusal_are_not_in_its_error(key: str) -> None:
    error = refused(json.dumps({key: "half \ud800 a character"}).encode())
    for said in (str(error), error.code, error.vendor_message, error.request_id or ""):
        assert said.encode().decode() == said


@pytest.mark.parametrize("request_id", [5, [], {"a": 1}, ""])
def test_an_id_in_a_refusal_that_is_no_text_is_none(request_id: object) -> None:
    assert refused(json.dumps({"request_id": request_id}).encode()).request_id is None


def test_of_two_ids_in_the_headers_of_a_refusal_the_first_counts() -> None:
    assert refused(b"no", ("dg-request-id", "a"), ("dg-request-id", "b")).request_id == "a"


async def _says_too_early() -> None:
    Connect(cast(Opening, None), {}, {}).say("hi")


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_in_an_async_test_it_names_the_async_form(run: Callable[..., None]) -> None:
    given = (_says_too_early,) if run is trio.run else (_says_too_early(),)
    with pytest.raises(AttributeError, match=r"use 'async with voice_agent\.connect"):
        run(*given)


@pytest.mark.parametrize(
    ("target", "is_rehearsal", "is_emulated"),
    [("emulator", False, True), ("emulator", True, True), ("live", False, False), ("live", True, True)],
)
def test_an_emulator_answers_where_it_is_the_target_and_in_a_rehearsal(
    target: TargetName, is_rehearsal: bool, is_emulated: bool
) -> None:
    granted = GrantedAttempt(id="a1", number=1, budget_seconds=None, recordings=None, token="t")
    agent = VoiceAgent(
        cast(GatewayClient, None),
        granted,
        target,
        "max",
        cast(Endpoint, None),
        None,
        nodeid="test_it.py::test_it",
        is_rehearsal=is_rehearsal,
    )
    assert agent._opening.is_emulated is is_emulated


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x-deepgram-session-id": "abc\n"}, "the value of the request header x-deepgram-session-id has characters"),
        ({"x-note": "\N{GRINNING FACE}"}, "the value of the request header x-note has characters"),
        ({"x deepgram": "e"}, "'x deepgram' can't be the name of a request header"),
        ({"Host": "example.com"}, "the request header Host is set by voice_agent itself; leave it out"),
        ({"sec-websocket-key": "e"}, "the request header sec-websocket-key is set by voice_agent itself"),
        (["a"], r"headers=\['a'\] is no mapping of names to values"),
    ],
)
def test_headers_that_can_not_be_sent_are_refused_by_name(headers: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        checked_headers(headers)


def test_other_headers_are_left_alone() -> None:
    headers = {"x-deepgram-session-id": "a b", "User-Agent": "caf\xe9/1.0"}
    assert checked_headers(headers) is headers
