"""TIME as users write it, and rounding up."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import (
    counted,
    format_age,
    format_period,
    format_time,
    parse_period,
    parse_time,
    rounded_up,
    seconds,
    short_usd,
    usd,
)

TEN_YEARS_MS = 10 * 365 * 24 * 3_600_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("90s", 90_000),
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("1h2m3s", 3_723_000),
        ("1h2m3s4ms", 3_723_004),
        ("2h", 7_200_000),
        ("1m500ms", 60_500),
        ("1.5s", 1500),
        ("0.5h", 1_800_000),
        ("90", 90_000),
        ("1.5", 1500),
        ("007", 7000),
        ("0", 0),
        ("0s", 0),
        ("0ms", 0),
        ("0h0m0s", 0),
        ("1ms", 1),
        ("0.001", 1),
        ("90m", 5_400_000),
        ("87600h", TEN_YEARS_MS),
    ],
)
def test_accepted(text: str, milliseconds: int) -> None:
    assert parse_time(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "s", "ms", "h", ".", "-", "off", "none", "forever"),
        *("-1", "-1s", "+1s", "- 1s", "1h-2m"),
        *("nan", "NaN", "inf", "infinity", "1e3", "0x10", "1_000", "1,5s"),
        *("10 minutes", "10 m", " 10m", "10m ", "10m\n", "1h 30m"),
        *("5s5m", "5m1h", "5ms5s", "5s5s", "1h1h", "1h5", "5 5"),
        *(".5s", "5.s", "1.2.3s", "5S", "5M", "5d", "5min", "5sec", "\u0665s", "\uff15s"),
    ],
    ids=repr,
)
def test_anything_else_is_refused_and_the_accepted_forms_are_shown(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_time(text)
    assert repr(text) in str(refused.value)
    for form in ("500ms", "90s", "10m", "1h30m", "1h2m3s", "plain number of seconds"):
        assert form in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.4ms", "shorter than a millisecond"),
        ("0.0001", "shorter than a millisecond"),
        ("87601h", "longer than ten years"),
        ("9" * 400, "longer than ten years"),
        ("9" * 400 + "h", "longer than ten years"),
    ],
)
def test_what_would_round_to_nothing_or_overflow_is_refused(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        parse_time(text)


@given(st.text("0123456789.hms -+e", max_size=8) | st.text(max_size=8))
def test_every_text_is_a_time_or_a_settings_error(text: str) -> None:
    try:
        milliseconds = parse_time(text)
    except SettingsError:
        return
    assert 0 <= milliseconds <= TEN_YEARS_MS
    assert text.strip("0123456789.hms") == ""


@given(st.integers(0, 999))
def test_under_a_second_what_is_printed_is_exact(milliseconds: int) -> None:
    assert parse_time(format_time(milliseconds)) == milliseconds


@given(st.integers(1000, 200_000) | st.integers(1000, TEN_YEARS_MS - 10))
def test_what_is_printed_can_be_read_back_to_within_10_ms(milliseconds: int) -> None:
    assert abs(parse_time(format_time(milliseconds)) - milliseconds) <= 10


@given(st.integers(1, TEN_YEARS_MS // 1000))
def test_whole_seconds_are_printed_exactly(whole_seconds: int) -> None:
    assert parse_time(format_time(whole_seconds * 1000)) == whole_seconds * 1000


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"),
        (7, "7ms"),
        (999, "999ms"),
        (1000, "1s"),
        (1500, "1.5s"),
        (12_340, "12.34s"),
        (59_999, "1m"),
        (60_000, "1m"),
        (61_230, "1m1.23s"),
        (3_600_000, "1h"),
        (3_599_999, "1h"),
        (5_400_000, "1h30m"),
        (3_723_000, "1h2m3s"),
    ],
)
def test_printed_as_users_write_it(milliseconds: int, text: str) -> None:
    assert format_time(milliseconds) == text


def test_seconds_are_decimal_numbers() -> None:
    assert seconds(1234) == 1.234


@given(st.integers(0, 10**20), st.integers(1, 10**9))
def test_a_quotient_is_rounded_up_exactly(numerator: int, denominator: int) -> None:
    assert rounded_up(numerator, denominator) == ceil(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("7d", 604_800_000), ("1.5d", 129_600_000), ("36h", 129_600_000), ("0d", 0), ("90", 90_000)],
)
def test_a_period_is_a_time_or_days(text: str, milliseconds: int) -> None:
    assert parse_period(text) == milliseconds


@pytest.mark.parametrize("text", ["90d", "1d", "12h", "36h", "45s", "0s"])
def test_a_period_is_printed_as_it_is_read(text: str) -> None:
    assert format_period(parse_period(text)) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0m"), (59_999, "0m"), (3_599_999, "59m"), (86_399_999, "23h"), (86_400_000, "1d"), (12_355_200_000, "143d")],
)
def test_an_age_is_in_whole_units_of_the_largest(milliseconds: int, text: str) -> None:
    assert format_age(milliseconds) == text


@pytest.mark.parametrize("text", ["d", "-1d", "7 d", "1d2h", "week", "4000d"])
def test_what_is_no_period_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(SettingsError, match=r"90s|ten years"):
        parse_period(text)


def test_a_count_has_its_noun_in_the_right_number() -> None:
    assert [counted(n, "session") for n in (0, 1, 2, 1200)] == [
        "0 sessions",
        "1 session",
        "2 sessions",
        "1,200 sessions",
    ]


@given(st.integers(0, 10**10))
def test_no_cost_above_zero_reads_as_zero(micro_usd: int) -> None:
    shown = short_usd(usd(micro_usd))
    assert (shown == "$0.0000") == (micro_usd == 0)
    assert (shown == "<$0.0001") == (0 < micro_usd < 50)


def test_dollars_have_four_decimals_and_thousands() -> None:
    assert [short_usd(dollars) for dollars in (0, 0.00005, 1234.5)] == ["$0.0000", "$0.0001", "$1,234.5000"]
