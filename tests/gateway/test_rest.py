"""Requests that are no sessions: which of them go where, and with which key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.model import ApiAccess
from tests.support.gateway import run_config_for
from tests.support.http_vendor import HttpVendor
from tests.support.served import Answer, Served, served
from tests.support.vendor import KEY

EMULATOR_KEY = "dgemu_0123"
THINK_MODELS = "/v1/agent/settings/think/models"
AGENTS = "/v1/projects/p-1/agents"


def within(folder: Path, does: Callable[[Served, HttpVendor, HttpVendor], Awaitable[None]]) -> None:
    """Do something with a live gateway whose agent and API are one server, and an emulator that is another."""

    async def main(vendor: HttpVendor, emulator: HttpVendor) -> None:
        agent_url = f"ws://{vendor.host}/v1/agent/converse"
        run_config = run_config_for(agent_url, folder, dg_api_url=vendor.url)
        live = LiveTarget({DeepgramAgent.name: agent_url}, KEY, ApiAccess(api_url=vendor.url, project=None, key=KEY))
        access = ApiAccess(api_url=emulator.url, project=None, key=EMULATOR_KEY)
        emulated = LiveTarget({}, EMULATOR_KEY, access)
        async with served(folder, live, run_config=run_config, key=KEY, other_target=emulated) as gateway:
            await does(gateway, vendor, emulator)

    with HttpVendor(lambda asked: asked.answer(body=b"vendor")) as vendor:  # noqa: SIM117 - one after the other
        with HttpVendor(lambda asked: asked.answer(body=b"emulator")) as emulator:
            run_metering(main(vendor, emulator))


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["err_code"]


@pytest.mark.parametrize("path", [THINK_MODELS, AGENTS, f"{AGENTS}/a-1", "/v1/projects/p-1/agent-variables"])
@pytest.mark.parametrize("by", ["base URL", "doubled slash", "host"])
def test_what_belongs_to_agents_is_read_at_the_vendor_with_the_real_key(tmp_path: Path, path: str, by: str) -> None:
    async def reads(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        before = {"base URL": "", "doubled slash": "/", "host": f"/to/{vendor.host}"}[by]
        answer = await gateway.ask("GET", f"{before}{path}?page=2", await gateway.token())
        assert (answer.status, answer.body) == (200, b"vendor")
        (asked,) = vendor.asked
        assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", f"{path}?page=2", f"Token {KEY}")
        assert emulator.asked == []
        # It belongs to the agent: nothing is counted that would not be metered.
        assert gateway.remarks.sentences() == []

    within(tmp_path, reads)


OTHERS = [
    ("POST", "/v1/listen"),
    ("POST", "/v1/speak"),
    ("POST", AGENTS),
    ("DELETE", f"{AGENTS}/a-1"),
    ("GET", "/v1/projects"),
    ("GET", "/v1/projects/p-1/keys"),
    ("GET", "/to/api.deepgram.com/v1/projects"),
    ("GET", "/to/api.eu.deepgram.com/anything"),
]


@pytest.mark.parametrize(("method", "path"), OTHERS)
def test_nothing_else_goes_anywhere_and_what_to_set_is_told(tmp_path: Path, method: str, path: str) -> None:
    async def asks(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        granted = await gateway.grant()
        answer = await gateway.ask(method, path, granted.token, body=b"x" * 1000, Origin="https://page.example")
        assert error_of(answer) == (501, "DGBUDGET_NOT_METERED")
        assert not [name for name in answer.headers if name.startswith("access-control")]
        (told,) = await gateway.refusals(granted)
        assert (told.status, told.code, told.times) == (501, "DGBUDGET_NOT_METERED", 1)
        assert "dg_pass_other = true" in told.reason
        assert "dg_keep_key = true" in told.reason
        assert vendor.asked == emulator.asked == []

    within(tmp_path, asks)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/projects"), ("POST", "/v1/projects/p/keys"), ("GET", THINK_MODELS)]
)
@pytest.mark.parametrize("prefix", ["", "/to/api.deepgram.com"])
def test_a_test_on_the_emulator_has_the_emulators_management_api(
    tmp_path: Path, prefix: str, method: str, path: str
) -> None:
    async def asks(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        granted = await gateway.grant(target="emulator")
        answer = await gateway.ask(method, prefix + path, granted.token)
        assert (answer.status, answer.body) == (200, b"emulator")
        assert [(asked.path, asked.headers["authorization"]) for asked in emulator.asked] == [
            (path, f"Token {EMULATOR_KEY}")
        ]
        assert vendor.asked == []

    within(tmp_path, asks)


def test_the_emulators_own_api_is_nobodys(tmp_path: Path) -> None:
    async def asks(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        granted = await gateway.grant(target="emulator")
        answer = await gateway.ask("GET", "/emulator/v1/grants/x/journal", granted.token)
        assert error_of(answer) == (404, "DGBUDGET_NOT_FOUND")
        assert emulator.asked == []

    within(tmp_path, asks)


@pytest.mark.parametrize("host", ["evil.example", "api.deepgram.com.evil.example", "127.0.0.1:1", "", "a@b"])
def test_the_gateway_is_no_open_proxy(tmp_path: Path, host: str) -> None:
    async def asks(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        answer = await gateway.ask("GET", f"/to/{host}/v1/projects", await gateway.token())
        assert error_of(answer) == (404, "DGBUDGET_NOT_FOUND")

    within(tmp_path, asks)


@pytest.mark.parametrize("path", [THINK_MODELS, "/v1/listen", "/v1/projects", "/to/api.deepgram.com/x"])
@pytest.mark.parametrize("token", ["", KEY])
def test_without_a_token_nothing_is_passed(tmp_path: Path, path: str, token: str) -> None:
    async def asks(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        assert error_of(await gateway.ask("GET", path, token)) == (401, "DGBUDGET_UNAUTHORIZED")
        assert vendor.asked == emulator.asked == []

    within(tmp_path, asks)


@pytest.mark.parametrize("path", ["/", "/metrics", "/v1/agent/converse", "/agent", "/control"])
def test_any_other_request_is_not_found(tmp_path: Path, path: str) -> None:
    async def asks(gateway: Served, vendor: HttpVendor, emulator: HttpVendor) -> None:
        assert error_of(await gateway.ask("GET", path, await gateway.token())) == (404, "DGBUDGET_NOT_FOUND")

    within(tmp_path, asks)
