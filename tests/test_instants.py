"""Instants: their form, and milliseconds since 1970."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.instants import epoch_ms, epoch_ms_of, instant_at


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_keeps_its_milliseconds(ms: int) -> None:
    assert epoch_ms(instant_at(ms)) == ms


@given(st.datetimes(datetime(2020, 1, 1), datetime(2050, 1, 1)), st.integers(-14, 14))
def test_a_moment_is_the_same_at_every_offset(moment: datetime, hours: int) -> None:
    at_utc = moment.replace(microsecond=0, tzinfo=timezone.utc)
    assert epoch_ms_of(at_utc.astimezone(timezone(timedelta(hours=hours)))) == epoch_ms_of(at_utc)
