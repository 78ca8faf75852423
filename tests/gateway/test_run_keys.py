"""The run's own key in a gateway of this process, at a real emulator: dialled with, refused, missing, deleted."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from pytest_dgbudget.emulator.faults.kinds import read_fault
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.run_keys import RunKeys
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.model import ApiAccess
from tests.support.emulator_api import get
from tests.support.gateway import run_config_for, with_changes
from tests.support.served import Served, by_token, served

NOBODY = "http://127.0.0.1:1"
REFUSALS = [400, 403, 429, 503]


def metered(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the gateway's own loop."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_metering(test(*args, **kwargs))

    return run


class World:
    """A vendor, and a live run's gateway before it."""

    def __init__(self, vendor: Emulator, gateway: Served) -> None:
        self.vendor = vendor
        self.gateway = gateway

    @property
    def keys(self) -> RunKeys:
        return self.gateway.run.run_keys

    async def open(self, token: str | None = None) -> dict[str, Any]:
        """Open a session up to its Welcome, and close it."""
        async with self.gateway.session(**by_token(token or await self.gateway.token(60_000))) as session:
            welcome: dict[str, Any] = json.loads(await session.recv())
        return welcome

    async def refused(self) -> dict[str, Any]:
        with pytest.raises(InvalidStatus) as caught:
            await self.open()
        body: dict[str, Any] = json.loads(caught.value.response.body)
        return {"status": caught.value.response.status_code, **body}

    async def accessors(self, sessions: int) -> list[str]:
        """Return the ids of the keys under which so many sessions are stated."""
        await _until(lambda: len(self.vendor._project.settled()) >= sessions)
        return [record.accessor for record in self.vendor._project.settled()]

    async def comments(self) -> list[str]:
        return [each["api_key"]["comment"] for each in (await get(self.vendor, "/keys"))["api_keys"]]

    def problems(self) -> list[str]:
        return [each for each in self.gateway.remarks.sentences() if "key" in each]

    def recorded(self) -> list[tuple[Any, ...]]:
        return self.gateway.rows("SELECT id, run FROM run_key ORDER BY rowid")


@asynccontextmanager
async def world(folder: Path, how: str, *, api_url: str | None = None, **changes: Any) -> AsyncIterator[World]:
    async with Emulator() as vendor:
        config = run_config_for(vendor.agent_url, folder)
        config = with_changes(config, **{"target": "live", "run_key": how, **changes})
        access = ApiAccess(api_url=api_url or vendor.api_url, project=vendor.project_id, key=vendor.api_key)
        target = LiveTarget({DeepgramAgent.name: vendor.agent_url}, vendor.api_key, access)
        async with served(folder, target, run_config=config, budget_ms=600_000) as gateway:
            yield World(vendor, gateway)
            await gateway.run.run_keys.delete()


def refusing(vendor: Emulator, status: int, times: int | None = None) -> None:
    """Let the management API refuse so many requests."""
    grants = vendor._grants
    grants.add(grants.named("default"), read_fault("bill-refused", {"status": status, "times": times}))


@metered
async def test_all_sessions_are_dialled_with_one_key_that_is_made_when_the_first_is_opened(tmp_path: Path) -> None:
    async with world(tmp_path, "on") as live:
        assert await live.comments() == ["the emulator's own key"]
        tokens = [await live.gateway.token(60_000) for _ in range(3)]
        await asyncio.gather(*map(live.open, tokens))
        await live.open()
        config = live.gateway.run._run_config
        assert await live.comments() == ["the emulator's own key", f"dgbudget {config.run_id}"]
        ((key_id, _),) = live.recorded()
        key = live.vendor._project.keyring.get(key_id)
        assert key is not None
        assert (key.scopes, key.tags) == (("usage:write",), (config.tag,))
        assert key.expires is not None
        assert round((key.expires - key.created).total_seconds()) == 86_400
        assert await live.accessors(4) == [key_id] * 4
        assert live.gateway.rows("SELECT DISTINCT run_key FROM dial") == [(key_id,)]
        assert live.problems() == []


@metered
async def test_the_key_is_deleted_and_its_end_recorded(tmp_path: Path) -> None:
    async with world(tmp_path, "on") as live:
        await live.open()
        await live.keys.delete()
        assert await live.comments() == ["the emulator's own key"]
        ((key_id, _),) = live.recorded()
        assert live.gateway.rows("SELECT run_key FROM run_key_end") == [(key_id,)]
        assert live.problems() == []


@metered
async def test_off_makes_none(tmp_path: Path) -> None:
    async with world(tmp_path, "off") as live:
        await live.open()
        assert live.recorded() == []
        assert len(await live.comments()) == 1
        assert live.gateway.rows("SELECT run_key FROM dial") == [(None,)]


@metered
async def test_a_key_that_cannot_be_deleted_is_said_and_left_for_the_sweep(tmp_path: Path) -> None:
    async with world(tmp_path, "on") as live:
        await live.open()
        refusing(live.vendor, 403)
        await live.keys.delete()
        (problem,) = live.problems()
        assert "could not be deleted" in problem
        assert "dgbudget sweep" in problem
        assert live.gateway.rows("SELECT * FROM run_key_end") == []


@pytest.mark.parametrize("status", REFUSALS)
@metered
async def test_on_goes_on_with_the_given_key_and_says_so_once(tmp_path: Path, status: int) -> None:
    async with world(tmp_path, "on") as live:
        refusing(live.vendor, status, times=1)
        await live.open()
        await live.open()
        assert await live.accessors(2) == [live.vendor._project.keyring.owners.id] * 2
        assert live.recorded() == []
        (problem,) = live.problems()
        assert f"HTTP {status}" in problem
        assert "went on with the given key" in problem
        assert ("may have been made" in problem) == (status == 503)


@pytest.mark.parametrize("status", REFUSALS)
@metered
async def test_require_opens_nothing(tmp_path: Path, status: int) -> None:
    async with world(tmp_path, "require") as live:
        refusing(live.vendor, status)
        granted = await live.gateway.grant(budget_ms=60_000)
        with pytest.raises(InvalidStatus):
            await live.open(granted.token)
        refused = await live.refused()
        assert (refused["status"], refused["err_code"]) == (503, "DGBUDGET_RUN_KEY")
        assert f"HTTP {status}" in refused["err_msg"]
        told = await live.gateway.refusals(granted)
        assert [(each.status, each.code) for each in told] == [(503, "DGBUDGET_RUN_KEY")]
        assert await live.accessors(0) == []
        assert live.gateway.rows("SELECT * FROM lease") == []


@metered
async def test_require_asks_again_only_where_that_may_help(tmp_path: Path) -> None:
    async with world(tmp_path, "require") as live:
        refusing(live.vendor, 429, times=1)
        await live.refused()
        await live.open()
        assert len(live.recorded()) == 1


@pytest.mark.parametrize("how", ["on", "require"])
@metered
async def test_an_api_that_is_down_is_like_one_that_refuses(tmp_path: Path, how: str) -> None:
    async with world(tmp_path, how, api_url=NOBODY) as live:
        await (live.open() if how == "on" else live.refused())
        (problem,) = live.problems()
        assert "can't be reached" in problem
        sessions = 1 if how == "on" else 0
        assert len(await live.accessors(sessions)) == sessions


@pytest.mark.parametrize("how", ["on", "require"])
@metered
async def test_an_api_that_never_answers_holds_no_session_for_long_and_no_other_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("pytest_dgbudget.gateway.key_requests._MAKE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with world(tmp_path, how, api_url=f"http://127.0.0.1:{silent.getsockname()[1]}") as live:
            waiting = [asyncio.ensure_future(live.open() if how == "on" else live.refused()) for _ in range(3)]
            passed = 0
            while not all(each.done() for each in waiting):
                await asyncio.sleep(0.01)
                passed += 1
            assert passed > 10, "the gateway stood still"
            await asyncio.gather(*waiting)
            assert len(live.problems()) == 1
            assert live.gateway.rows("SELECT * FROM run_key") == []


@metered
async def test_without_a_management_api_the_option_for_it_is_named(tmp_path: Path) -> None:
    async with world(tmp_path, "on") as live:
        live.keys._requests._access = None
        await live.open()
        (problem,) = live.problems()
        assert "name it with --dg-api-url" in problem


@metered
async def test_a_refused_dial_is_tried_with_the_given_key_and_reported_as_a_missing_scope(tmp_path: Path) -> None:
    async with world(tmp_path, "on", run_key_scopes=("usage:read",)) as live:
        await live.open()
        await live.open()
        given = live.vendor._project.keyring.owners.id
        assert await live.accessors(2) == [given, given]
        ((key_id, _),) = live.recorded()
        dials = live.gateway.rows("SELECT dial.run_key, usage.closed_by FROM dial JOIN usage ON dial = dial.id")
        assert sorted(dials, key=str) == sorted([(key_id, "refused"), (None, "client"), (None, "client")], key=str)
        (problem,) = live.problems()
        assert "lacks a scope" in problem
        assert "dg_run_key_scopes, which is usage:read" in problem


@metered
async def test_a_dial_that_both_keys_are_refused_says_nothing_of_scopes(tmp_path: Path) -> None:
    async with world(tmp_path, "on") as live:
        grants = live.vendor._grants
        grants.add(grants.named("default"), read_fault("refuse", {"status": 403, "code": "NO"}))
        assert (await live.refused())["err_code"] == "NO"
        assert live.problems() == []


@metered
async def test_require_dials_with_no_other_key_and_names_the_scopes(tmp_path: Path) -> None:
    async with world(tmp_path, "require", run_key_scopes=("usage:read",)) as live:
        assert (await live.refused())["status"] == 401
        assert await live.accessors(0) == []
        assert len(live.gateway.rows("SELECT * FROM dial")) == 1
        (problem,) = live.problems()
        assert "dg_run_key_scopes, which is usage:read" in problem


@metered
async def test_i1_the_key_the_lease_and_the_dial_are_recorded_before_the_vendor_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[int, ...]] = []

    async with world(tmp_path, "on") as live:
        dial = LiveTarget.dial

        async def look_and_dial(self: LiveTarget, *args: Any, **more: Any) -> Any:
            tables = ("run_key", "lease", "dial")
            found.append(tuple(len(live.gateway.rows(f"SELECT * FROM {table}")) for table in tables))
            return await dial(self, *args, **more)

        monkeypatch.setattr(LiveTarget, "dial", look_and_dial)
        await live.open()
    assert found == [(1, 1, 1)]


@metered
async def test_i9_the_key_is_in_no_file_event_or_representation(tmp_path: Path) -> None:
    async with world(tmp_path, "on") as live:
        await live.open()
        ((key_id, _),) = live.recorded()
        key = live.vendor._project.keyring.get(key_id)
        assert key is not None
        seen = [*map(repr, live.gateway.events), repr(live.keys.current()), repr(vars(live.keys))]
        assert key_id in "".join(seen)
        assert not [text for text in seen if key.secret in text]
        files = contents_of(tmp_path)
        assert any(key_id.encode() in content for content in files)
        assert not [content for content in files if re.search(rb"dgemu_[0-9a-f]{40}", content)]


@pytest.mark.parametrize(("age_hours", "replaced"), [(22.9, False), (23.1, True)])
@metered
async def test_a_run_that_is_still_open_at_23_hours_makes_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_hours: float, replaced: bool
) -> None:
    now_ms = [1_800_000_000_000]
    monkeypatch.setattr("pytest_dgbudget.gateway.run_keys.utc_ms", lambda: now_ms[0])
    monkeypatch.setattr("pytest_dgbudget.gateway.run_keys._LOOK_SECONDS", 0.01)
    async with world(tmp_path, "on") as live:
        await live.open()
        first = live.keys.current()
        assert first is not None
        now_ms[0] += round(age_hours * 3_600_000)
        if replaced:
            await _until(lambda: live.keys.current() != first)
        else:
            await asyncio.sleep(0.2)  # many looks at the clock
        await live.open()
        keys = [key_id for key_id, _ in live.recorded()]
        assert len(keys) == (2 if replaced else 1)
        assert sorted(await live.accessors(2)) == sorted([keys[0], keys[-1]])
        await live.keys.delete()
        assert len(await live.comments()) == 1


@metered
async def test_another_key_that_cannot_be_recorded_is_not_used_and_said_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = [1_800_000_000_000]
    monkeypatch.setattr("pytest_dgbudget.gateway.run_keys.utc_ms", lambda: now_ms[0])
    for pause in ("_LOOK_SECONDS", "_AFTER_FAILURE_SECONDS"):
        monkeypatch.setattr(f"pytest_dgbudget.gateway.run_keys.{pause}", 0.01)
    async with world(tmp_path, "on") as live:
        await live.open()
        first = live.keys.current()
        with monkeypatch.context() as full:
            full.setattr(live.keys._ledger, "record_run_key", _fails)
            now_ms[0] += round(23.1 * 3_600_000)
            await _until(lambda: bool(live.problems()))
            assert live.keys.current() == first
        assert "could not be recorded, so it is not used (the disk is full): dgbudget sweep" in live.problems()[0]
        await _until(lambda: live.keys.current() != first)


def _fails(key_id: str) -> None:
    raise LedgerError("the disk is full")


@metered
async def test_a_key_that_has_expired_is_not_dialled_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = [1_800_000_000_000]
    monkeypatch.setattr("pytest_dgbudget.gateway.run_keys.utc_ms", lambda: now_ms[0])
    async with world(tmp_path, "on") as live:
        await live.open()
        now_ms[0] += 24 * 3_600_000
        assert live.keys.current() is None


@pytest.mark.parametrize(("how", "dialled"), [("on", True), ("require", False)])
@metered
async def test_a_key_that_expires_while_a_session_waits_for_its_place_is_not_dialled_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, dialled: bool
) -> None:
    now_ms = [1_800_000_000_000]
    monkeypatch.setattr("pytest_dgbudget.gateway.run_keys.utc_ms", lambda: now_ms[0])
    async with world(tmp_path, how, max_sessions=1) as live:
        token = await live.gateway.token(60_000)
        async with live.gateway.session(**by_token(token)):
            waiting = asyncio.ensure_future(live.open() if dialled else live.refused())
            await _until(lambda: bool(live.gateway.run._admission._queue))
            now_ms[0] += 24 * 3_600_000
        await waiting
        ((first, _),) = live.recorded()
        dials = [key_id for (key_id,) in live.gateway.rows("SELECT run_key FROM dial ORDER BY rowid")]
        assert dials == ([first, None] if dialled else [first])
        leases = live.gateway.rows("SELECT COUNT(*) FROM lease")
        await _until(lambda: live.gateway.rows("SELECT COUNT(*) FROM lease_end") == leases)


@metered
async def test_a_test_that_speaks_to_the_emulator_in_a_live_run_needs_no_key(tmp_path: Path) -> None:
    async with Emulator() as vendor, Emulator() as other:
        config = with_changes(run_config_for(vendor.agent_url, tmp_path), target="live", run_key="require")
        access = ApiAccess(api_url=NOBODY, project="p", key=vendor.api_key)
        live = LiveTarget({DeepgramAgent.name: vendor.agent_url}, vendor.api_key, access)
        elsewhere = LiveTarget({DeepgramAgent.name: other.agent_url}, other.api_key, None)
        async with served(tmp_path, live, run_config=config, other_target=elsewhere, budget_ms=60_000) as gateway:
            granted = await gateway.grant(budget_ms=60_000, target="emulator")
            async with gateway.session(**by_token(granted.token)) as session:
                assert json.loads(await session.recv())["type"] == "Welcome"


def contents_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def _until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 - it is another's
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), 20)
