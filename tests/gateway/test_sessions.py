"""A session's states and its usage record, fed with answers, frames and times."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import patch

import pytest

from pytest_dgbudget.gateway.events import (
    Event,
    Events,
    RuleBroken,
    SessionDialled,
    SessionEnded,
    SessionOpened,
    SessionWarned,
)
from pytest_dgbudget.gateway.frames import BINARY, TEXT, Close, frame
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.services.service import AskSkipped
from pytest_dgbudget.gateway.session_terms import SessionTerms
from pytest_dgbudget.gateway.sessions import Cut, MeteredSession, SessionState
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost, Upstream
from pytest_dgbudget.model import UsageRecord
from tests.gateway.conversations import terms_fields
from tests.gateway.memory import Carried, ManualClock, MemoryTransport

pytestmark = pytest.mark.asyncio

OVER = Close(4410, "over")


class Metered:
    """A session and all around it; its vendor answers when the test says so."""

    def __init__(self, idle_ms: int | None = None, ask_skipped: AskSkipped | None = None) -> None:
        self.clock = ManualClock()
        self.client, self.vendor = MemoryTransport(), MemoryTransport()
        self.welcomes: list[tuple[str, str]] = []
        self.closed_at_ms: list[int] = []
        self.ends: list[UsageRecord] = []
        self.answer: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
        events = Events()
        self.events: list[Event] = []
        events.subscribe(self.events.append)
        self.session = MeteredSession(
            SessionTerms(
                id="s1",
                attempt="a1",
                service=DeepgramAgent(),
                tag="tag",
                idle_ms=idle_ms,
                ask_skipped=ask_skipped,
                **terms_fields(),
            ),
            self.clock,
            events,
            welcomed=lambda session, request_id: self.welcomes.append((session.id, request_id)),
            funds=self,
            ended=lambda session, record: self.ends.append(record),
        )

    def affords(self, session: MeteredSession, micro_usd_per_minute: int) -> bool:
        return True

    def price_changed(self) -> None:
        pass

    def money_is_used_up(self) -> None:
        pass

    def closed(self, session: MeteredSession, at_ms: int) -> None:
        self.closed_at_ms.append(at_ms)

    async def dialling(self) -> asyncio.Task[Upstream]:
        task = asyncio.ensure_future(self.session.dial(self.answer))
        await asyncio.sleep(0)
        return task

    def accept(self, handshake_id: str = "handshake") -> None:
        self.answer.set_result(Upstream([("Dg-Request-Id", handshake_id)], None, Carried(self.vendor)))

    async def relayed(self, after_ms: int = 30, handshake_id: str = "handshake") -> None:
        dialling = await self.dialling()
        self.clock.advance(after_ms)
        self.accept(handshake_id)
        self.session.relay(self.client, await dialling, b"")

    def vendor_says(self, **message: Any) -> None:
        self.vendor.feed(frame(TEXT, json.dumps(message).encode(), mask=False))

    def client_says(self, **message: Any) -> None:
        self.client.feed(frame(TEXT, json.dumps(message).encode(), mask=True))

    @property
    def record(self) -> UsageRecord:
        (record,), (at_ms,) = self.ends, self.closed_at_ms
        assert (record.dial, at_ms) == ("s1", self.session.dialled_ms + (record.ms or 0))
        assert self.session.state is SessionState.ENDED
        assert self.session.done.done()
        return record


async def test_a_session_is_metered_from_its_dial_to_the_end_of_its_socket() -> None:
    metered = Metered()
    assert metered.session.state is SessionState.DIALLING
    await metered.relayed(after_ms=30)
    assert (metered.session.state, metered.session.handshake_ms) == (SessionState.RELAYING, 30)
    metered.vendor_says(type="Welcome", request_id="r1")
    assert metered.welcomes == [("s1", "r1")]
    metered.clock.advance(1000)
    assert metered.session.used_ms() == 1030
    assert metered.session.close("teardown", OVER)
    metered.clock.advance(7)
    metered.vendor.lose()
    record = metered.record
    assert (record.ms, record.handshake_ms, record.request_id) == (1037, 30, "r1")
    assert (record.closed_by, record.close_code, record.confirmed) == ("teardown", 4410, True)


def skips(*answers: int | None) -> tuple[AskSkipped, list[str]]:
    """What an emulator says that its sessions skipped, and of which it was asked."""
    asked: list[str] = []

    async def ask(request_id: str) -> int | None:
        asked.append(request_id)
        return answers[len(asked) - 1]

    return ask, asked


@pytest.mark.parametrize(("skipped", "forecast"), [(4000, 5000), (0, 1000), (None, None)])
async def test_the_forecast_is_its_own_time_and_what_it_skipped(skipped: int | None, forecast: int | None) -> None:
    ask, asked = skips(skipped)
    metered = Metered(ask_skipped=ask)
    await metered.relayed(after_ms=30)
    metered.clock.advance(970)
    metered.session.close("teardown", OVER)
    metered.vendor.lose()
    assert metered.session.is_ending
    await asyncio.wait_for(metered.session.done, 10)
    record = metered.record
    assert asked == ["handshake"]
    assert (record.ms, record.skipped_ms, record.forecast_ms, record.forecast_cut) == (1000, skipped, forecast, False)
    highest = terms_fields()["prices"].highest()
    assert record.forecast_micro_usd == (None if forecast is None else -(-forecast * highest // 60_000))


async def test_a_session_that_a_budget_cut_has_its_own_time_as_forecast_whoever_can_be_asked() -> None:
    ask, asked = skips()
    metered = Metered(ask_skipped=ask)
    await metered.relayed(after_ms=30)
    metered.clock.advance(970)
    metered.session.close("test-budget", OVER)
    metered.vendor.lose()
    record = metered.record
    assert (record.ms, record.forecast_ms, record.forecast_cut, asked) == (1000, 1000, True, [])


async def test_what_was_never_opened_has_skipped_nothing() -> None:
    ask, asked = skips()
    metered = Metered(ask_skipped=ask)
    metered.session.close("client", Close(1000, ""))
    with pytest.raises(Cut):
        await metered.session.dial(metered.answer)
    assert (metered.record.skipped_ms, metered.record.forecast_ms, asked) == (0, metered.record.ms, [])


async def test_where_time_is_real_there_is_no_forecast() -> None:
    metered = Metered()
    await metered.relayed()
    metered.vendor.lose()
    assert (metered.record.skipped_ms, metered.record.forecast_ms, metered.record.forecast_micro_usd) == (None,) * 3


async def test_a_stall_is_known_with_the_session() -> None:
    metered = Metered()
    await metered.relayed()
    metered.vendor_says(type="Welcome", request_id="r1")
    metered.client_says(type="Settings", audio={}, agent={})
    metered.vendor_says(type="SettingsApplied")
    metered.client.feed(frame(BINARY, bytes(960), mask=True))
    metered.vendor_says(type="UserStartedSpeaking")
    metered.clock.advance(5000)
    metered.vendor.lose()
    assert [(stall.kind, stall.ms) for stall in metered.session.stalls] == [("turn-not-ended", 5000)]


async def test_what_it_broke_of_the_protocol_is_known_while_it_is_open() -> None:
    metered = Metered()
    await metered.relayed()
    metered.vendor_says(type="Welcome", request_id="r1")
    assert list(metered.session.violations) == []
    metered.vendor_says(type="Welcome", request_id="r2")
    assert [violation.rule for violation in metered.session.violations] == ["one-welcome"]
    metered.vendor.lose()
    assert metered.record.violations == tuple(metered.session.violations)


async def test_without_a_welcome_the_handshakes_id_is_recorded() -> None:
    metered = Metered()
    await metered.relayed()
    metered.vendor.lose()
    assert (metered.record.request_id, metered.record.closed_by) == ("handshake", "network")


@pytest.mark.parametrize("odd", ["x-\udcff", "x-\u00ff", "", "two words", "a\nb", "x" * 300])
async def test_an_id_that_is_no_id_is_none(odd: str) -> None:
    """A ledger can't hold half a character, and nothing can be found by it."""
    metered = Metered()
    await metered.relayed(handshake_id=odd)
    metered.vendor_says(type="Welcome", request_id=odd)
    assert metered.welcomes == []
    metered.vendor.lose()
    assert metered.record.request_id is None


async def test_a_session_that_is_closed_while_it_is_dialled_is_dialled_no_longer() -> None:
    metered = Metered()
    dialling = await metered.dialling()
    metered.clock.advance(12)
    assert metered.session.close("test-budget", Close(4402, "used up"))
    assert metered.session.state is SessionState.CUT
    assert not metered.session.close("teardown", OVER)
    with pytest.raises(Cut) as cut:
        await dialling
    assert cut.value.to_client.code == 4402
    assert metered.answer.cancelled()
    assert (metered.record.closed_by, metered.record.ms, metered.record.handshake_ms) == ("test-budget", 12, None)


async def test_a_session_that_is_closed_before_its_dial_is_not_dialled() -> None:
    metered = Metered()
    metered.session.close("client", Close(1000, ""))
    with pytest.raises(Cut):
        await metered.session.dial(metered.answer)
    assert (metered.answer.cancelled(), metered.record.closed_by) == (True, "client")


async def test_a_session_that_is_closed_as_the_101_comes_is_closed_once_it_is_relayed() -> None:
    metered = Metered()
    dialling = await metered.dialling()
    metered.accept()
    assert metered.session.close("teardown", OVER)
    metered.session.relay(metered.client, await dialling, b"")
    assert metered.client.written
    metered.vendor.lose()
    assert (metered.record.closed_by, metered.record.close_code) == ("teardown", 4410)


@pytest.mark.parametrize(
    ("failure", "closed_by", "reason"),
    [
        (DialFailed("refused", 403, (), b'{"err_code": "X", "err_msg": "Not yours."}'), "refused", "403: Not yours."),
        (DialFailed("refused", 401, (), b""), "refused", "401"),
        (DialLost(502, "nobody there"), "network", "nobody there"),
        (RuntimeError("a bug"), "network", None),
    ],
    ids=["refused", "refused without a word", "lost", "a bug"],
)
async def test_a_dial_that_fails_ends_the_session_with_its_cause(
    failure: Exception, closed_by: str, reason: str | None
) -> None:
    metered = Metered()
    dialling = await metered.dialling()
    metered.clock.advance(9)
    metered.answer.set_exception(failure)
    with pytest.raises(type(failure)):
        await dialling
    assert (metered.record.closed_by, metered.record.ms, metered.record.confirmed) == (closed_by, 9, True)
    assert metered.record.reason == reason
    assert not metered.session.close("teardown", OVER)


async def test_what_was_dialled_and_can_not_be_relayed_is_aborted_and_unconfirmed() -> None:
    metered = Metered()
    dialling = await metered.dialling()
    metered.accept()
    metered.session.drop(await dialling)
    assert metered.vendor.ended == "aborted"
    assert (metered.record.closed_by, metered.record.confirmed) == ("network", False)


async def test_keep_alives_do_not_keep_a_session_from_being_idle() -> None:
    metered = Metered(idle_ms=1000)
    await metered.relayed()
    metered.clock.advance(600)
    metered.client_says(type="Settings")
    metered.clock.advance(600)
    metered.client_says(type="KeepAlive")
    metered.clock.advance(399)
    assert not metered.client.written
    metered.clock.advance(1)
    assert (4408).to_bytes(2, "big") in metered.client.written
    metered.vendor.lose()
    assert metered.record.closed_by == "idle"


async def test_a_session_that_is_over_leaves_no_timer_behind() -> None:
    metered = Metered(idle_ms=600_000)
    await metered.relayed()
    metered.vendor_says(type="Welcome", request_id="r1")
    assert metered.clock.timers == 1
    metered.session.close("teardown", OVER)
    metered.vendor.lose()
    metered.client.lose()
    assert metered.record.closed_by == "teardown"
    assert metered.clock.timers == 0


async def test_a_session_whose_vendor_waits_for_a_function_is_not_idle() -> None:
    metered = Metered(idle_ms=1000)
    await metered.relayed()
    call = {"id": "f1", "name": "look_up", "arguments": "{}", "client_side": True}
    metered.vendor_says(type="FunctionCallRequest", functions=[call])
    metered.clock.advance(5000)
    metered.client_says(type="FunctionCallResponse", id="f1", name="look_up", content="x")
    metered.client.take_written()
    metered.clock.advance(999)
    assert not metered.client.written
    metered.clock.advance(1001)
    assert metered.client.written


async def test_a_client_that_vanished_is_recorded_when_its_owner_had_time_to_vanish_as_well() -> None:
    metered = Metered()
    await metered.relayed()
    metered.client.lose()
    metered.vendor.lose()
    assert metered.closed_at_ms == [metered.session.dialled_ms + 30], "it is metered no longer"
    metered.clock.advance(99)
    assert metered.ends == []
    assert metered.session.used_ms() == 30
    metered.session.close("owner-lost", OVER)
    metered.clock.advance(1)
    assert (metered.record.closed_by, metered.record.ms) == ("owner-lost", 30)


async def test_warnings_and_errors_of_the_vendor_are_emitted_by_their_codes_alone() -> None:
    metered = Metered()
    await metered.relayed()
    metered.vendor_says(type="Warning", code="SLOW", description="what was said")
    metered.vendor_says(type="Error", code="BROKEN", description="what was said")
    metered.vendor.lose()
    assert [event for event in metered.events if not isinstance(event, RuleBroken)] == [
        SessionDialled(attempt="a1", session="s1"),
        SessionOpened(session="s1", handshake_ms=30),
        SessionWarned(at_ms=30, session="s1", code="SLOW"),
        SessionWarned(at_ms=30, session="s1", code="BROKEN"),
        SessionEnded(attempt="a1", session="s1", at_ms=30, usage=metered.record),
    ]


async def test_what_was_dialled_and_can_not_be_joined_is_closed_and_recorded() -> None:
    metered = Metered()
    no_thread = RuntimeError("can't start new thread")
    with patch.object(DeepgramAgent, "inspect", side_effect=no_thread), pytest.raises(RuntimeError):
        await metered.relayed()
    assert metered.vendor.ended == "aborted"
    assert (metered.record.closed_by, metered.record.confirmed) == ("network", False)
