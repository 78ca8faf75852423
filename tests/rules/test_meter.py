"""What a lease's sessions have used together, and when they must close."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_dgbudget.rules.meter import LeaseMeter, close_margin_ms, money_lasts_ms

START_MS = 1_000_000
SPANS_MS = st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)).map(
    lambda span: (START_MS + min(span), START_MS + max(span))
)


def metered(allowance_ms: int, spans: list[tuple[int, int]]) -> LeaseMeter:
    """Return a meter that saw sessions open and close at these instants."""
    meter = LeaseMeter(allowance_ms=allowance_ms)
    opens = [(start, 0) for start, _ in spans]
    closes = [(end, 1) for _, end in spans]
    for at_ms, is_close in sorted(opens + closes):
        if is_close:
            meter.closed(at_ms)
        else:
            meter.opened(at_ms)
    return meter


@given(st.lists(SPANS_MS, max_size=8))
def test_used_is_the_sum_of_every_sessions_duration(spans: list[tuple[int, int]]) -> None:
    meter = metered(10_000_000, spans)
    assert meter.used_ms == sum(end - start for start, end in spans)
    assert meter.open_sessions == 0


@given(st.lists(st.tuples(SPANS_MS, st.integers(1, 3)), max_size=8), st.randoms(use_true_random=False))
def test_used_is_the_sum_of_the_sessions_in_whatever_order_they_are_counted(
    sessions: list[tuple[tuple[int, int], int]], random: Random
) -> None:
    meter = LeaseMeter(allowance_ms=10_000_000)
    counted = [(number, which) for number in range(len(sessions)) for which in ("opened", "closed")]
    random.shuffle(counted)
    for number, which in counted:
        (start_ms, end_ms), rate = sessions[number]
        if which == "opened":
            meter.opened(start_ms, rate)
        else:
            meter.closed(end_ms, rate)
    assert meter.used_ms == sum((end_ms - start_ms) * rate for (start_ms, end_ms), rate in sessions)


@given(st.integers(1, 5), st.integers(0, 100_000))
def test_while_sessions_are_open_each_adds_a_second_per_second(sessions: int, passed_ms: int) -> None:
    meter = LeaseMeter(allowance_ms=10_000_000)
    for _ in range(sessions):
        meter.opened(START_MS)
    assert meter.used_at(START_MS + passed_ms) == sessions * passed_ms


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 100_000))
def test_a_session_uses_its_rate_for_each_millisecond(rates: list[int], passed_ms: int) -> None:
    meter = LeaseMeter(allowance_ms=10_000_000)
    for rate in rates:
        meter.opened(START_MS, rate)
    assert meter.used_at(START_MS + passed_ms) == sum(rates) * passed_ms
    for rate in rates:
        meter.closed(START_MS + passed_ms, rate)
    assert meter.used_at(START_MS + 2 * passed_ms) == meter.used_ms == sum(rates) * passed_ms


@given(st.integers(1, 10_000_000), st.lists(SPANS_MS, max_size=4), st.integers(1, 6))
def test_deadline_and_abort_are_where_the_open_sessions_reach_them_and_never_later(
    allowance_ms: int, spans: list[tuple[int, int]], sessions: int
) -> None:
    meter = metered(allowance_ms, spans)
    now_ms = START_MS + 100_000
    for _ in range(sessions):
        meter.opened(now_ms)
    margin_ms = close_margin_ms(allowance_ms)
    for at_ms, aim_ms in (
        # A margin is time on the clock: every open session uses it.
        (meter.deadline_ms(), allowance_ms - sessions * margin_ms),
        (meter.abort_ms(), allowance_ms - sessions * (margin_ms // 10)),
    ):
        assume(meter.used_ms <= aim_ms)
        # A millisecond of the clock is one of each open session.
        assert aim_ms - sessions < meter.used_at(at_ms) <= aim_ms <= allowance_ms


PRICES = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=5)


@given(st.integers(0, 1_000_000), PRICES)
def test_money_lasts_as_long_as_all_that_is_open_costs_no_more_whatever_is_rounded_up(
    micro_usd: int, prices: list[int]
) -> None:
    lasts_ms = money_lasts_ms(micro_usd, prices)
    if lasts_ms is None:
        assert sum(prices) == 0
    elif lasts_ms >= 0:
        assert sum(ceil(Fraction(lasts_ms * price, 60_000)) for price in prices) <= micro_usd
    if lasts_ms is not None:
        # So much longer, and it is spent even if nothing is rounded up.
        assert Fraction((lasts_ms + 1) * sum(prices), 60_000) > micro_usd - len(prices) + 1


@given(st.integers(1, 10_000_000), st.integers(0, 10_000_000), st.integers(0, 10_000_000))
def test_the_deadline_is_the_earlier_of_two_and_the_margin_that_of_the_shorter(
    allowance_ms: int, money_ms: int, money_ends_ms: int
) -> None:
    meter = LeaseMeter(allowance_ms=allowance_ms, money_ms=money_ms)
    meter.opened(0)
    margin_ms = close_margin_ms(min(allowance_ms, money_ms))
    ends_ms = min(allowance_ms, money_ends_ms)
    assert meter.deadline_ms(money_ends_ms) == ends_ms - margin_ms
    assert meter.abort_ms(money_ends_ms) == ends_ms - margin_ms // 10
    assert meter.deadline_ms(None) == allowance_ms - margin_ms


def test_the_deadline_moves_when_a_session_opens_or_closes() -> None:
    meter = LeaseMeter(allowance_ms=10_000)
    meter.opened(0)
    assert meter.deadline_ms() == 9750
    meter.opened(1750)
    assert meter.deadline_ms() == 1750 + 8250 // 2 - 250
    meter.closed(3750)
    assert meter.deadline_ms() == 3750 + 4000


def test_a_lease_that_is_used_up_already_is_due_at_once() -> None:
    meter = LeaseMeter(allowance_ms=1000, used_ms=1500)
    meter.opened(START_MS)
    assert meter.deadline_ms() <= START_MS
    assert meter.abort_ms() <= START_MS


@given(st.integers(0, 10_000_000))
def test_the_close_margin_is_a_tenth_and_at_most_a_quarter_of_a_second(allowance_ms: int) -> None:
    margin_ms = close_margin_ms(allowance_ms)
    assert margin_ms <= 250
    assert margin_ms <= allowance_ms / 10 < margin_ms + 1 or margin_ms == 250


@given(st.lists(st.integers(-100_000, 100_000).map(lambda ms: START_MS + ms), min_size=1, max_size=10))
def test_a_clock_that_goes_backwards_takes_nothing_back(instants: list[int]) -> None:
    meter = LeaseMeter(allowance_ms=10_000_000)
    used_ms, furthest_ms = 0, instants[0]
    for at_ms in instants:
        meter.opened(at_ms)
        assert meter.used_ms >= used_ms
        assert meter.used_at(at_ms - 1) >= meter.used_ms
        used_ms, furthest_ms = meter.used_ms, max(furthest_ms, at_ms)
    for _ in instants:
        meter.closed(furthest_ms)
    # Nothing is counted twice either, when the clock comes back to where it was.
    assert meter.used_ms <= len(instants) * (furthest_ms - min(instants))
