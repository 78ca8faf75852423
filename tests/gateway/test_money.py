"""What a lease's money does to its sessions: when they are cut, and which messages never pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pytest_dgbudget.gateway import session_parts
from pytest_dgbudget.gateway.frames import BINARY, CLOSE, TEXT, frame
from pytest_dgbudget.gateway.relay import LONGEST_SETTINGS
from pytest_dgbudget.gateway.sessions import Cut
from pytest_dgbudget.rules.prices import SHIPPED, PriceTable
from tests.gateway.purse import THINKS, Purse, Tape, settings, text, update
from tests.support.slow import slow

pytestmark = pytest.mark.asyncio

# A minute of each, in millionths of a dollar.
STANDARD, ADVANCED, CUSTOM = 75_000, 163_000, 65_000
CENT = 10_000
AUDIO = frame(BINARY, b"\1" * 300, mask=True)
CUT = (CLOSE, (1000).to_bytes(2, "big"))


def lasts_ms(micro_usd: int, price: int) -> int:
    return micro_usd * 60_000 // price


async def test_what_is_cut_by_money_names_it_with_both_figures() -> None:
    purse = Purse(CENT, run_micro_usd=5 * CENT)
    customer = await purse.open()
    purse.clock.advance(lasts_ms(CENT, ADVANCED) - 251)
    assert customer.client_has() == []
    purse.clock.advance(1)
    ((opcode, payload),) = customer.client_has()
    assert (opcode, payload[:2]) == (CLOSE, (4402).to_bytes(2, "big"))
    assert payload[2:] == b"run budget of $0.05 used up, $0.049319 used in 3.43s; raise it with --dg-cost-budget"
    assert customer.vendor_has() == [CUT]
    record = customer.lose()
    (overrun,) = purse.grant.overruns.all
    assert record.closed_by == "run-budget"
    assert (overrun.kind, overrun.scope, overrun.currency) == ("cut", "run", "money")
    assert (overrun.used, overrun.allowed, overrun.also_used) == (4 * CENT + 9319, 5 * CENT, 3430)
    assert record.overrun == overrun


async def test_what_is_cut_by_time_has_its_cost_beside_it() -> None:
    purse = Purse(100 * CENT, allowance_ms=10_000)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(9750)
    (overrun,) = purse.grant.overruns.all
    assert (overrun.scope, overrun.currency, overrun.used) == ("test", "time", 9750)
    assert overrun.also_used == 9750 * STANDARD // 60_000 + 1
    assert b"9.75s used ($0.012188)" in customer.client_has()[-1][1]


async def test_a_price_that_falls_moves_the_deadline_and_one_that_rises_moves_it_back() -> None:
    purse = Purse(CENT)
    customer = await purse.open()
    purse.clock.advance(1000)
    customer.says(settings("standard"))  # from the dial on
    purse.clock.advance(3000)
    customer.says(update("advanced"))
    left = CENT - 4000 * STANDARD // 60_000
    purse.clock.advance(lasts_ms(left, ADVANCED) - 251)
    assert not purse.grant.spent.done()
    purse.clock.advance(1)
    assert purse.grant.spent.done()


async def test_a_price_of_nothing_is_cut_by_time_alone() -> None:
    free = PriceTable(as_of="2026-11-30", micro_usd_per_minute={**SHIPPED.micro_usd_per_minute, "standard": 0})
    purse = Purse(CENT, prices=free)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(60_000 - 251)
    assert not purse.grant.spent.done()
    purse.clock.advance(1)
    assert purse.grant.spent.result().currency == "time"
    assert customer.lose().micro_usd == 0


async def test_where_everything_is_free_nothing_is_cut_for_its_cost() -> None:
    free = PriceTable(as_of="2026-11-30", micro_usd_per_minute=dict.fromkeys(SHIPPED.micro_usd_per_minute, 0))
    purse = Purse(0, prices=free)
    customer = await purse.open()
    purse.clock.advance(60_000 - 251)
    customer.says(update("advanced"))
    assert not purse.grant.spent.done()


# The last one at which the dearer tier lasts longer than the margin: 682 are left of a cent, and pay for 251 ms.
LAST_INSTANT_MS = 7454


async def test_a_raise_at_the_last_instant_passes_and_is_cut_within_the_lease() -> None:
    purse = Purse(CENT)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(LAST_INSTANT_MS)
    customer.vendor_has()
    customer.says(update("advanced"))
    assert [opcode for opcode, _ in customer.vendor_has()] == [TEXT]
    purse.clock.advance(1)
    assert customer.vendor_has() == [CUT]
    purse.clock.advance(225)
    assert customer.vendor.ended == "aborted", "a tenth of the margin before the money is used up"
    record = customer.lose()
    assert record.micro_usd is not None
    assert CENT - 70 < record.micro_usd <= CENT


def too_long() -> bytes:
    return text({"type": "UpdateThink", "think": THINKS["advanced"], "padding": "x" * LONGEST_SETTINGS})


def fragments() -> bytes:
    whole = b'{"type": "UpdateThink", "think": {"provider": {"type": "open_ai", "model": "gpt-5"}}}'
    return frame(TEXT, whole[:9], mask=True, final=False) + frame(0, whole[9:], mask=True)


RAISES: dict[str, Callable[[], bytes]] = {
    "an UpdateThink": lambda: update("advanced"),
    "in pieces": fragments,
    "no JSON": lambda: frame(TEXT, b"what?", mask=True),
    "too long": too_long,
    "an unknown model": lambda: text({"type": "UpdateThink", "think": {"provider": {"type": "open_ai", "model": "?"}}}),
}


@pytest.mark.parametrize("raises", RAISES.values(), ids=RAISES)
async def test_a_raise_that_is_not_afforded_does_not_pass_but_what_came_before_it_does(
    raises: Callable[[], bytes],
) -> None:
    purse = Purse(CENT)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(LAST_INSTANT_MS + 1)
    customer.vendor_has()
    before = text({"type": "UpdatePrompt", "prompt": "be brief"})
    customer.says(before + AUDIO + raises() + AUDIO + update("standard"))
    assert [opcode for opcode, _ in customer.vendor_has()] == [TEXT, BINARY, CLOSE]
    assert [payload[:2] for _, payload in customer.client_has()] == [(4402).to_bytes(2, "big")]
    customer.says(AUDIO + update("standard"))
    assert customer.vendor_has() == []
    record = customer.lose()
    assert (record.closed_by, record.tier, record.audio_in_ms) == ("run-budget", "standard", 6)
    assert purse.grant.overruns.all[0].currency == "money"
    assert purse.clock.timers == 0


async def test_of_a_raise_that_comes_byte_by_byte_none_passes() -> None:
    purse = Purse(CENT)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(LAST_INSTANT_MS + 1)
    customer.vendor_has()
    for byte in update("advanced"):
        customer.says(bytes([byte]))
    assert customer.vendor_has() == [CUT]


async def test_a_lower_price_passes_when_a_higher_one_would_not() -> None:
    purse = Purse(CENT)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(LAST_INSTANT_MS + 1)
    customer.vendor_has()
    customer.says(update("custom-byo-llm"))
    assert [opcode for opcode, _ in customer.vendor_has()] == [TEXT]
    assert not purse.grant.spent.done()


@pytest.mark.parametrize("spans", [20, slow(session_parts._MOST_SPANS)])
async def test_who_changes_the_price_too_often_must_afford_the_highest(
    monkeypatch: pytest.MonkeyPatch, spans: int
) -> None:
    monkeypatch.setattr(session_parts, "_MOST_SPANS", spans)
    purse = Purse(CENT)
    customer = await purse.open()
    customer.says(settings("standard"))
    for number in range(spans - 1):
        purse.clock.advance(1)
        customer.says(update("custom-byo-llm" if number % 2 == 0 else "standard"))
    purse.clock.advance(lasts_ms(CENT - purse.lease.micro_usd() - 500, CUSTOM))
    customer.vendor_has()
    left = CENT - purse.lease.micro_usd()
    assert lasts_ms(left, ADVANCED) < 250 < lasts_ms(left, STANDARD)
    customer.says(update("standard"))
    assert customer.vendor_has() == [CUT]


async def test_a_recording_has_nothing_of_a_message_that_did_not_pass() -> None:
    purse, tape = Purse(CENT), Tape()
    customer = await purse.open(tape)
    customer.says(settings("standard"))
    purse.clock.advance(LAST_INSTANT_MS + 1)
    customer.says(AUDIO + update("advanced"))
    assert tape.from_client == customer.vendor.written[: len(tape.from_client)]
    assert tape.from_client.endswith(AUDIO)
    customer.lose()
    assert tape.ended_for[0].startswith("run budget of $0.01 used up")


async def test_sessions_of_a_lease_share_its_money() -> None:
    purse = Purse(4 * CENT)
    first = await purse.open()
    first.says(settings("standard"))
    purse.clock.advance(1000)
    second = await purse.open()
    second.says(settings("standard"))
    purse.clock.advance(1000)
    spent = 2000 * STANDARD // 60_000 + 1000 * STANDARD // 60_000
    # Two sessions are each rounded up.
    purse.clock.advance(lasts_ms(4 * CENT - spent - 1, 2 * STANDARD) - 251)
    assert not purse.grant.spent.done()
    purse.clock.advance(1)
    assert [customer.client_has()[0][0] for customer in (first, second)] == [CLOSE, CLOSE]
    purse.clock.advance(225)
    assert [customer.vendor.ended for customer in (first, second)] == ["aborted", "aborted"]
    first.vendor.lose()
    second.vendor.lose()
    costs = [customer.lose().micro_usd or 0 for customer in (first, second)]
    assert sum(costs) <= 4 * CENT
    assert len(purse.grant.overruns.all) == 1


async def test_a_raise_of_one_session_that_all_together_do_not_afford_closes_them_all() -> None:
    purse = Purse(CENT)
    first, second = await purse.open(), await purse.open()
    first.says(settings("standard"))
    second.says(settings("standard"))
    purse.clock.advance(3700)
    first.vendor_has()
    second.vendor_has()
    first.says(update("advanced"))
    assert (first.vendor_has(), second.vendor_has()) == ([CUT], [CUT])


async def test_a_session_that_comes_after_a_cut_for_money_is_cut_for_the_same() -> None:
    purse = Purse(CENT)
    first = await purse.open()
    purse.clock.advance(lasts_ms(CENT, ADVANCED) - 250)
    late = await purse.dialled()
    with pytest.raises(Cut):
        await late.session.dial(asyncio.get_running_loop().create_future())
    first.lose()
    assert len(purse.records) == 2
    assert {(record.closed_by, record.overrun) for record in purse.records} == {
        ("run-budget", purse.grant.overruns.all[0])
    }


async def test_money_that_all_of_the_time_costs_is_never_what_is_used_up() -> None:
    """It ends a millisecond earlier, by what is rounded up; but the run's ten dollars are still there."""
    minute = ADVANCED
    purse = Purse(minute, run_micro_usd=1000 * CENT)
    customer = await purse.open()
    purse.clock.advance(1234)
    customer.says(settings("advanced"))
    purse.clock.advance(60_000)
    assert [(each.scope, each.currency) for each in purse.grant.overruns.all] == [("test", "time")]
    record = customer.lose()
    assert record.closed_by == "test-budget"


async def test_what_is_less_than_a_second_of_money_is_used_but_for_a_tenth() -> None:
    purse = Purse(500)
    await purse.open()
    whole_ms = lasts_ms(500, ADVANCED)
    purse.clock.advance(whole_ms - whole_ms // 10 - 1)
    assert not purse.grant.spent.done()
    purse.clock.advance(1)
    assert purse.grant.spent.done()


async def test_one_more_client_is_refused_by_what_would_have_all_cut_at_once() -> None:
    purse = Purse(CENT)
    customer = await purse.open()
    customer.says(settings("standard"))
    purse.clock.advance(6000)
    assert purse.lease.lacks() is None
    purse.clock.advance(1300)
    assert purse.lease.lacks() == "money"
    refused = purse.lease.overrun("refused", "money")
    assert (refused.scope, refused.currency, refused.allowed) == ("run", "money", CENT)


async def test_what_remains_is_the_smaller_of_both_for_all_sessions_together() -> None:
    purse = Purse(CENT, allowance_ms=8000)
    assert purse.lease.left_ms() == lasts_ms(CENT, ADVANCED)
    first = await purse.open()
    first.says(settings("standard"))
    assert purse.lease.left_ms() == 8000
    purse.clock.advance(1000)
    assert purse.lease.left_ms() == lasts_ms(CENT - 1250, STANDARD)
    await purse.open()
    assert purse.lease.left_ms() == 2 * lasts_ms(CENT - 1250 - 1, STANDARD + ADVANCED)
