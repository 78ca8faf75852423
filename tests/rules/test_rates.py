"""What the vendor charges for a minute of a tier, against the price that the user names or that is shipped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from pytest_dgbudget.rules.comparison import OwnSession, VendorRow
from pytest_dgbudget.rules.rates import TierRate
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation, judge

from .reconciliation import OLD_MS, OURS, TERMS, row, session, snapshot, was_read

STANDARD, ADVANCED = 75_000, 163_000
NAMED = replace(TERMS, prices={"standard": STANDARD})
SHIPPED = replace(TERMS, shipped={"standard": STANDARD, "advanced": ADVANCED})
# No whole second, so that its rows leave none open.
MS = 12_001


def compared(
    prices: list[int], *, terms: object = NAMED, ms: int = MS, tier: str | None = "standard", **fields: object
) -> Reconciliation:
    """Sessions of one tier whose times agree, each charged at its price; other ``fields`` are those of the rows."""
    sessions: list[OwnSession] = []
    rows: list[VendorRow] = []
    own = {name: fields.pop(name) for name in ("ended_at_ms", "handshake_ms") if name in fields}
    for number, price in enumerate(prices):
        sessions.append(session(id=f"s{number}", request_id=f"r{number}", ms=ms, tier=tier, **own))
        paid = round(price * ms / 60_000)
        rows.append(row(**{"request_id": f"r{number}", "duration_ms": ms, "micro_usd": paid, **fields}))
    return judge(sessions, snapshot(*rows, hours=was_read(ms * len(prices))), OURS, terms)  # type: ignore[arg-type]


def wrong(result: Reconciliation) -> list[bool]:
    return [rate.wrong for rate in result.rates]


@pytest.mark.parametrize(
    ("price", "is_wrong"), [(76_490, False), (76_520, True), (73_510, False), (73_480, True), (STANDARD, False)]
)
def test_a_price_that_is_named_and_differs_by_more_than_two_per_cent_is_a_wrong_rate(
    price: int, is_wrong: bool
) -> None:
    result = compared([price] * 5)
    assert {line.kind for line in result.lines} == {"wrong-rate" if is_wrong else "matched"}
    assert result.verdict == ("discrepancy" if is_wrong else "reconciled")
    assert result.remarks == ()
    (rate,) = result.rates
    assert (rate.n, rate.ms, rate.named, rate.wrong) == (5, 5 * MS, True, is_wrong)
    assert abs(rate.micro_usd_per_minute - price) < 10


def test_five_sessions_of_a_minute_in_all_are_needed() -> None:
    assert compared([ADVANCED] * 4, ms=60_001).rates == ()
    assert compared([ADVANCED] * 5, ms=11_999).rates == ()
    assert wrong(compared([ADVANCED] * 5, ms=12_001)) == [True]


def test_against_the_shipped_price_it_is_a_remark() -> None:
    result = compared([80_000] * 5, terms=SHIPPED)
    assert ({line.kind for line in result.lines}, result.verdict) == ({"matched"}, "reconciled")
    (remark,) = result.remarks
    assert "$0.0800 a minute for the tier standard (5 sessions)" in remark
    assert "the shipped prices have $0.0750" in remark
    assert compared([STANDARD] * 5, terms=SHIPPED).remarks == ()


def test_the_price_that_is_named_stands_over_the_shipped_one() -> None:
    assert wrong(compared([80_000] * 5, terms=replace(SHIPPED, prices={"standard": 80_000}))) == [False]


@pytest.mark.parametrize("tier", [None, "custom-byo-llm"])
def test_a_tier_that_is_not_known_or_has_no_price_is_not_judged(tier: str | None) -> None:
    assert compared([ADVANCED] * 5, tier=tier).rates == ()


def test_tiers_are_judged_each_by_itself() -> None:
    both = [
        session(id=f"{tier}{n}", request_id=f"{tier}{n}", ms=MS, tier=tier)
        for tier in ("standard", "advanced")
        for n in range(5)
    ]
    rows = [row(request_id=each.request_id, duration_ms=MS, micro_usd=round(80_000 * MS / 60_000)) for each in both]
    terms = replace(TERMS, prices={"standard": 80_000, "advanced": ADVANCED})
    result = judge(both, snapshot(*rows), OURS, terms)
    assert [(rate.tier, rate.wrong) for rate in result.rates] == [("advanced", True), ("standard", False)]
    assert {line.request_id for line in result.lines if line.kind == "wrong-rate"} == {f"advanced{n}" for n in range(5)}


def test_only_the_sessions_that_are_charged_otherwise_are_wrong() -> None:
    result = compared([STANDARD] * 5 + [ADVANCED] * 5)
    assert [line.kind for line in result.lines] == ["matched"] * 5 + ["wrong-rate"] * 5


def test_a_wrong_rate_makes_no_other_line_another_one() -> None:
    own = [session(id=f"s{n}", request_id=f"r{n}", ms=MS, tier="standard" if n else None) for n in range(6)]
    rows = [row(request_id=f"r{n}", duration_ms=MS, micro_usd=ADVANCED * MS // 60_000) for n in range(1, 6)]
    unclear = row(request_id="r0", duration_ms=None, elapsed_ms=90_000)
    result = judge(own, snapshot(unclear, *rows, hours=was_read(6 * MS)), OURS, NAMED)
    assert [line.kind for line in result.lines] == ["unclear"] + ["wrong-rate"] * 5


def test_a_duration_that_disagrees_says_nothing_of_the_price() -> None:
    assert compared([ADVANCED] * 5, duration_ms=60_001).rates == ()


def test_what_has_not_settled_or_shows_no_dollars_says_nothing_of_the_price() -> None:
    assert compared([ADVANCED] * 5, micro_usd=None).rates == ()
    assert compared([ADVANCED] * 5, settled=False, ended_at_ms=OLD_MS).rates == ()


def test_whole_seconds_may_be_rounded_for_show_alone() -> None:
    """12 s shown may be 12.99 s charged, which is 8 %."""
    assert wrong(compared([82_000] * 5, ms=12_000)) == [False]
    assert wrong(compared([82_000] * 5, ms=12_001)) == [True]
    assert wrong(compared([84_000] * 5, ms=12_000)) == [True]


def charged(by_ms: list[int], price: int, *, shown: Callable[[int], int]) -> Reconciliation:
    """Sessions that are charged by these times, and whose rows show others."""
    own = [session(id=f"s{n}", request_id=f"r{n}", ms=ms, tier="standard") for n, ms in enumerate(by_ms)]
    rows = [
        row(request_id=f"r{n}", duration_ms=shown(ms), micro_usd=round(price * ms / 60_000))
        for n, ms in enumerate(by_ms)
    ]
    return judge(own, snapshot(*rows), OURS, NAMED)


ROUNDED: list[Callable[[int], int]] = [
    lambda ms: math.ceil(ms / 1000) * 1000,
    lambda ms: ms // 1000 * 1000,
    lambda ms: round(ms / 1000) * 1000,
]


@pytest.mark.parametrize("lengths", [[5000] * 100, [12_000, 13_000] * 5], ids=["of one length", "of several"])
def test_whole_seconds_that_are_charged_as_they_are_shown_leave_nothing_open(lengths: list[int]) -> None:
    assert wrong(charged(lengths, 90_000, shown=lambda ms: ms)) == [True]
    assert wrong(charged(lengths, 60_000, shown=lambda ms: ms)) == [True]
    assert wrong(charged(lengths, STANDARD, shown=lambda ms: ms)) == [False]


@pytest.mark.parametrize("shown", ROUNDED, ids=["up", "down", "half"])
def test_whole_seconds_that_are_rounded_for_show_alone_accuse_nobody(shown: Callable[[int], int]) -> None:
    random = Random(7)
    for _ in range(300):
        lengths = [random.randint(5000, 5999) for _ in range(random.choice([15, 40, 100]))]
        assert wrong(charged(lengths, STANDARD, shown=shown)) == [False]


def test_without_durations_the_tolerance_of_each_session_is_left_open() -> None:
    """60 s may be 63 s, which is 5 %."""
    assert wrong(compared([80_000] * 5, ms=60_001, duration_ms=None)) == [False]
    assert wrong(compared([81_000] * 5, ms=60_001, duration_ms=None)) == [True]
    assert wrong(compared([69_000] * 5, ms=60_001, duration_ms=None)) == [True]
    assert wrong(compared([69_000] * 5, ms=60_001, duration_ms=None, handshake_ms=900)) == [False]


@pytest.mark.parametrize("elapsed_ms", [60_001, 90_000], ids=["matched", "unclear"])
def test_without_durations_only_hours_that_agree_make_a_price_known(elapsed_ms: int) -> None:
    sessions = [session(id=f"s{n}", request_id=f"r{n}", ms=60_001, tier="standard") for n in range(5)]
    rows = [
        row(request_id=each.request_id, duration_ms=None, elapsed_ms=elapsed_ms, micro_usd=ADVANCED)
        for each in sessions
    ]
    for hours_ms, rates in ((5 * 60_001, [True]), (5 * 120_000, [])):
        assert wrong(judge(sessions, snapshot(*rows, hours=was_read(hours_ms)), OURS, NAMED)) == rates


def test_the_price_of_a_rate_is_what_was_paid_for_its_minutes() -> None:
    rate = TierRate(
        tier="standard",
        n=5,
        ms=90_000,
        micro_usd=150_000,
        expected_micro_usd_per_minute=STANDARD,
        named=True,
        off=frozenset(),
    )
    assert rate.micro_usd_per_minute == 100_000


@pytest.mark.parametrize(("paid", "is_said"), [(20_000, False), (22_000, False), (32_600, True), (15_000, True)])
def test_what_a_change_of_tier_costs_is_compared_and_not_judged(paid: int, is_said: bool) -> None:
    own = [session(id=f"s{n}", request_id=f"r{n}", ms=20_000, tier=None, changed_micro_usd=20_000) for n in range(2)]
    rows = [row(request_id=f"r{n}", duration_ms=20_000, micro_usd=paid) for n in range(2)]
    result = judge(own, snapshot(*rows, hours=was_read(40_000)), OURS, NAMED)
    assert result.verdict == "reconciled"
    assert {line.kind for line in result.lines} == {"matched"}
    said = (
        f"2 sessions changed the tier: by our prices that is $0.0400, the statement has ${2 * paid / 1_000_000:.4f}; "
    )
    assert [remark.startswith(said) for remark in result.remarks] == ([True] if is_said else [])


def test_a_cost_that_is_not_known_of_a_change_of_tier_is_not_compared() -> None:
    own = session(id="s", request_id="r", ms=20_000, tier=None, changed_micro_usd=20_000)
    of_no_cost = row(request_id="r", duration_ms=20_000, micro_usd=None)
    unknown = judge([own], snapshot(of_no_cost, hours=was_read(20_000)), OURS, NAMED)
    assert unknown.remarks == ()
