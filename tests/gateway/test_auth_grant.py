"""Temporary tokens: made by the gateway, bound to what their minter means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.credentials import is_token
from pytest_dgbudget.gateway import minted
from pytest_dgbudget.gateway.clock import now_ms
from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.live import LiveTarget
from tests.support.served import Answer, Served, by_token, served
from tests.support.vendor import KEY, Vendor

GRANT = "/v1/auth/grant"
ORIGIN = "https://page.example"


def within(folder: Path, does: Callable[[Served, Vendor], Awaitable[None]]) -> None:
    """Do something with a live gateway and its vendor."""

    @asynccontextmanager
    async def gateway(vendor: Vendor) -> AsyncIterator[Served]:
        target = LiveTarget({DeepgramAgent.name: vendor.url}, KEY, None)
        async with served(folder, target, key=KEY) as gateway:
            yield gateway

    async def main(vendor: Vendor) -> None:
        async with gateway(vendor) as running:
            await does(running, vendor)

    with Vendor() as vendor:
        run_metering(main(vendor))


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["err_code"]


@pytest.mark.parametrize("path", [GRANT, f"/{GRANT}/", f"/to/api.deepgram.com{GRANT}"])
@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_a_token_mints_another_that_opens_sessions_of_its_test(tmp_path: Path, path: str, scheme: str) -> None:
    async def mints(gateway: Served, vendor: Vendor) -> None:
        granted = await gateway.grant()
        answer = await gateway.ask("POST", path, body=b"{}", Authorization=f"{scheme} {granted.token}")
        assert answer.status == 200
        document = json.loads(answer.body)
        token = document.pop("access_token")
        assert document == {"expires_in": 30}
        assert is_token(token)
        assert token != granted.token
        async with gateway.session(subprotocols=["bearer", token]) as session:
            assert "Welcome" in str(await session.recv())
            assert session.subprotocol == "bearer"
        assert (await gateway.run.attempts.usage(granted.id, None)).sessions == 1
        # The vendor saw no more of it than of any session.
        assert [seen.headers["authorization"] for seen in vendor.connections] == [f"Token {KEY}"]

    within(tmp_path, mints)


@pytest.mark.parametrize(
    ("body", "expires"), [(b"", 30), (b"{}", 30), (b'{"ttl_seconds": null}', 30), (b'{"ttl_seconds": 1.5}', 1.5)]
)
def test_the_time_to_live_is_what_was_asked_for_or_the_vendors_default(
    tmp_path: Path, body: bytes, expires: float
) -> None:
    async def mints(gateway: Served, _: Vendor) -> None:
        answer = await gateway.ask("POST", GRANT, await gateway.token(), body=body)
        assert (answer.status, json.loads(answer.body)["expires_in"]) == (200, expires)

    within(tmp_path, mints)


UNFIT = [b"no JSON", b"[1]", b'{"ttl_seconds": "30"}', b'{"ttl_seconds": true}', b'{"ttl_seconds": 0}']
UNFIT += [b'{"ttl_seconds": 3601}', b'{"ttl_seconds": NaN}', b"[" * 60_000, b" " * 70_000]


@pytest.mark.parametrize("body", UNFIT, ids=lambda body: body[:24].decode())
def test_a_body_that_asks_for_no_possible_time_is_refused(tmp_path: Path, body: bytes) -> None:
    async def mints(gateway: Served, _: Vendor) -> None:
        answer = await gateway.ask("POST", GRANT, await gateway.token(), body=body)
        assert error_of(answer) == (400, "DGBUDGET_BAD_REQUEST")
        assert not gateway.run.minted._issued

    within(tmp_path, mints)


def test_its_time_to_live_counts_when_a_session_opens_and_not_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outlives(gateway: Served, _: Vendor) -> None:
        granted = await gateway.grant()
        answer = await gateway.ask("POST", GRANT, granted.token, body=b'{"ttl_seconds": 60}')
        token = json.loads(answer.body)["access_token"]
        async with gateway.session(**by_token(token, "Bearer")) as session:
            await session.recv()
            monkeypatch.setattr(minted, "now_ms", lambda: now_ms() + 60_000)
            await session.send('{"type": "InjectUserMessage", "content": "still there"}')
            assert "still there" in str(await session.recv())
            with pytest.raises(InvalidStatus) as refused:
                await gateway.session(**by_token(token, "Bearer"))
        assert refused.value.response.status_code == 401
        (told,) = await gateway.refusals(granted)
        assert "has expired" in told.reason

    within(tmp_path, outlives)


def test_it_ends_with_the_test_that_it_belongs_to(tmp_path: Path) -> None:
    async def ends(gateway: Served, vendor: Vendor) -> None:
        granted = await gateway.grant()
        token = json.loads((await gateway.ask("POST", GRANT, granted.token)).body)["access_token"]
        await gateway.end(granted)
        with pytest.raises(InvalidStatus) as refused:
            await gateway.session(**by_token(token, "Bearer"))
        assert refused.value.response.status_code == 401
        assert vendor.connections == []

    within(tmp_path, ends)


def test_it_mints_no_other_and_manages_nothing(tmp_path: Path) -> None:
    async def mints(gateway: Served, _: Vendor) -> None:
        token = json.loads((await gateway.ask("POST", GRANT, await gateway.token())).body)["access_token"]
        for method, path in (("POST", GRANT), ("GET", "/v1/projects")):
            answer = await gateway.ask(method, path, Authorization=f"Bearer {token}")
            assert error_of(answer) == (401, "DGBUDGET_UNAUTHORIZED")

    within(tmp_path, mints)


@pytest.mark.parametrize("token", ["", "d9b0d9e7" + "0" * 32, KEY, f"invalid-{KEY}"])
def test_without_a_token_of_ours_nothing_is_minted(tmp_path: Path, token: str) -> None:
    async def refuses(gateway: Served, _: Vendor) -> None:
        answer = await gateway.ask("POST", GRANT, token, Origin=ORIGIN)
        assert error_of(answer) == (401, "DGBUDGET_UNAUTHORIZED")
        assert not [name for name in answer.headers if name.startswith("access-control")]

    within(tmp_path, refuses)


def test_a_wrong_credential_gets_the_vendors_401_on_a_live_target(tmp_path: Path) -> None:
    async def refuses(gateway: Served, _: Vendor) -> None:
        granted = await gateway.grant()
        assert error_of(await gateway.ask("POST", GRANT, f"invalid-{granted.token}")) == (401, "INVALID_AUTH")
        assert [(told.status, told.code) for told in await gateway.refusals(granted)] == [(401, "INVALID_AUTH")]

    within(tmp_path, refuses)


def test_forgotten_are_tokens_that_expired_long_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgets(gateway: Served, _: Vendor) -> None:
        token = await gateway.token()
        for _minted in range(3):
            gateway.run.minted.mint(token, 1000)
        monkeypatch.setattr(minted, "now_ms", lambda: now_ms() + 2 * 3_600_000)
        last = gateway.run.minted.mint(token, 1000)
        assert [token for _, token in gateway.run.minted._issued] == [last]
        assert len(gateway.run.minted._tokens._meanings) == 1

    within(tmp_path, forgets)


# Pages in a browser -------------------------------------------------------------------------------------------------

PREFLIGHT: dict[str, Any] = {
    "Origin": ORIGIN,
    "Access_Control_Request_Method": "POST",
    "Access_Control_Request_Headers": "authorization,content-type",
}


def test_a_page_is_told_beforehand_that_it_may_ask_and_reads_the_token(tmp_path: Path) -> None:
    """A browser shows no token with the preflight: who has none learns nothing by it."""

    async def page(gateway: Served, _: Vendor) -> None:
        asked = await gateway.ask("OPTIONS", GRANT, **PREFLIGHT, Access_Control_Request_Private_Network="true")
        allowed = {name: value for name, value in asked.headers.items() if name.startswith("access-control")}
        assert asked.status == 200
        assert allowed == {
            "access-control-allow-origin": ORIGIN,
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "authorization,content-type",
            "access-control-allow-private-network": "true",
            "access-control-max-age": "600",
        }
        for body in (b"{}", b"no JSON"):
            answer = await gateway.ask("POST", GRANT, await gateway.token(), body=body, Origin=ORIGIN)
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert answer.headers["vary"] == "Origin"

    within(tmp_path, page)


@pytest.mark.parametrize("path", ["/v1/agent/converse", "/v1/listen", "/to/api.deepgram.com/v1/listen", "/"])
def test_no_page_may_ask_for_anything_else(tmp_path: Path, path: str) -> None:
    async def page(gateway: Served, _: Vendor) -> None:
        answer = await gateway.ask("OPTIONS", path, **PREFLIGHT)
        assert answer.status in {401, 404}
        assert not [name for name in answer.headers if name.startswith("access-control")]

    within(tmp_path, page)
