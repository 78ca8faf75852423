"""Temporary tokens: what they open, and until when."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import ANSWERS, ask, call, filled, make_key, rows, use_key
from tests.support.emulator_client import refusal

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


async def grant(emulator: Emulator, body: Any = None, *, key: str = "") -> dict[str, Any]:
    authorization = f"Token {key}" if key else ""
    granted: dict[str, Any] = await call(emulator, "POST", "/v1/auth/grant", body, authorization=authorization)
    return granted


def by_header(token: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def by_subprotocol(token: str) -> dict[str, Any]:
    return {"subprotocols": [Subprotocol("bearer"), Subprotocol(token)]}


@pytest.mark.parametrize("credentials", [by_header, by_subprotocol])
async def test_token_opens_sessions_until_it_expires(credentials: Any) -> None:
    clock = Clock(start=NOON, speed=0)
    async with Emulator(clock=clock) as emulator:
        token = (await grant(emulator))["access_token"]
        clock.advance(29)
        async with connect(emulator.agent_url, proxy=None, **credentials(token)) as client:
            assert json.loads(await client.recv())["type"] == "Welcome"
            clock.advance(1)
            response, body = await refusal(emulator.agent_url, **credentials(token))
            assert (response.status_code, body["err_code"]) == (401, "INVALID_AUTH")
            assert body["err_msg"] == "Invalid credentials."
            await client.send("nonsense")  # what is open stays open past the token's end
            assert json.loads(await client.recv())["code"] == "UNPARSABLE_CLIENT_MESSAGE"


async def test_token_is_a_json_web_token_that_says_when_it_ends() -> None:
    async with Emulator(clock=Clock(start=NOON, speed=0)) as emulator:
        granted = await grant(emulator, {"ttl_seconds": 90})
        assert granted["expires_in"] == 90
        header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in granted["access_token"].split("."))
        assert json.loads(header) == {"kid": "dgemu", "alg": "HS256", "typ": "JWT"}
        assert json.loads(claims)["exp"] == int(NOON.timestamp()) + 90


@pytest.mark.parametrize(
    ("body", "seconds"), [(None, 30), ({}, 30), ({"ttl_seconds": None}, 30), ({"ttl_seconds": 1.5}, 1.5)]
)
async def test_how_long_it_lasts(emulator: Emulator, body: Any, seconds: float) -> None:
    assert (await grant(emulator, body))["expires_in"] == seconds


@pytest.mark.parametrize("seconds", [0, -1, 3601, "30", True, 1e300, 10**400])
async def test_bad_time_to_live_is_400_and_named(emulator: Emulator, seconds: Any) -> None:
    body = json.dumps({"ttl_seconds": seconds}).encode()
    reply = await ask(emulator, "/v1/auth/grant", method="POST", body=body)
    assert reply.refusal() == (400, "Bad Request")
    assert reply.json["err_msg"].startswith("ttl_seconds ")


@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
@pytest.mark.parametrize("operation", sorted(ANSWERS))
async def test_token_opens_no_part_of_the_management_api(emulator: Emulator, scheme: str, operation: str) -> None:
    token = (await grant(emulator))["access_token"]
    method, path = operation.split()
    reply = await ask(emulator, filled(path, emulator), method=method, authorization=f"{scheme} {token}")
    assert reply.refusal() == (401, "INVALID_AUTH")
    assert reply.json["err_msg"] == "Invalid credentials."


async def test_what_a_token_uses_is_its_keys() -> None:
    async with Emulator(settlement_lag=0) as emulator:
        made = await make_key(emulator, scopes=["member"], tags=["of-the-key"])
        token = (await grant(emulator, key=made["key"]))["access_token"]
        await use_key(emulator, token)
        (row,) = await rows(emulator)
        assert (row["api_key_id"], row["response"]["details"]["tags"]) == (made["api_key_id"], ["of-the-key"])


async def test_every_token_is_another(emulator: Emulator) -> None:
    first, second = [(await grant(emulator))["access_token"] for _ in range(2)]
    assert first != second
    for token in (first, second):
        await use_key(emulator, token)


async def test_a_foreign_token_is_refused_with_a_hint_and_never_echoed(emulator: Emulator) -> None:
    _, body = await refusal(emulator.agent_url, **by_header("eyJhbGciOiJIUzI1NiJ9.e30.secret"))
    assert body["err_msg"] == "Invalid credentials."
    assert "emulator" in body["emulator"]
    assert "secret" not in json.dumps(body)


def by_token_header(token: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Token {token}"}}


@pytest.mark.parametrize("credentials", [by_header, by_token_header, by_subprotocol])
async def test_the_hint_for_an_expired_token_says_that_it_has_expired(credentials: Any) -> None:
    clock = Clock(start=NOON, speed=0)
    async with Emulator(clock=clock) as emulator:
        token = (await grant(emulator))["access_token"]
        clock.advance(30)
        _, body = await refusal(emulator.agent_url, **credentials(token))
        assert body["err_msg"] == "Invalid credentials."
        assert body["emulator"] == "The token has expired, or is not one of this emulator's."


async def test_the_hint_for_another_emulators_token_says_whose_it_is_not(emulator: Emulator) -> None:
    async with Emulator() as other:
        token = (await grant(other))["access_token"]
    _, body = await refusal(emulator.agent_url, **by_header(token))
    assert body["emulator"] == "The token has expired, or is not one of this emulator's."


@pytest.mark.parametrize("path", ["/v1/projects", "/emulator/v1/sessions/x"])
@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
async def test_the_hint_for_a_token_at_an_api_says_that_it_takes_keys_only(
    emulator: Emulator, scheme: str, path: str
) -> None:
    token = (await grant(emulator))["access_token"]
    reply = await ask(emulator, path, authorization=f"{scheme} {token}")
    assert reply.json["err_msg"] == "Invalid credentials."
    assert reply.json["emulator"] == "This API takes keys only; tokens of auth/grant open agent sessions."
