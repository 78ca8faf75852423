"""What parameters mean, and what is bad about them."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.query import Query


def query(**parameters: object) -> Query:
    return Query(urlencode(parameters, doseq=True))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23", "2026-11-23T00:00:00+00:00"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00+00:00"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00+00:00"),
        ("2026-11-23T10:00:00.5Z", "2026-11-23T10:00:00.500000+00:00"),
        ("2026-11-23T10:00:00.123456789", "2026-11-23T10:00:00.123456+00:00"),
        ("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00+00:00"),
        ("2026-11-23T10:00:00-02:30", "2026-11-23T12:30:00+00:00"),
    ],
)
def test_start_in_each_form(text: str, moment: str) -> None:
    start = query(start=text).start()
    assert start is not None
    assert start.astimezone(timezone.utc).isoformat() == moment


def test_end_that_is_a_date_includes_its_day() -> None:
    assert query(end="2026-11-23").end() == datetime(2026, 11, 23, 23, 59, 59, 999_999, timezone.utc)
    assert query(end="2026-11-23T10:00:00Z").end() == datetime(2026, 11, 23, 10, tzinfo=timezone.utc)


NO_MOMENTS = [
    "", "x", "23.11.2026", "20261123", "2026-W47", "2026-13-01", "2026-11-23 10:00:00", "2026-11-23T10",
    "2026-11-23T25:00:00", "2026-11-23T10:00:00+2", "\u0662026-11-23",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_MOMENTS)
@pytest.mark.parametrize("name", ["start", "end"])
def test_no_moment_at_all(name: str, text: str) -> None:
    with pytest.raises(Refusal, match=rf"^400 Bad Request: {name} "):
        getattr(query(**{name: text}), name)()


@given(st.text(max_size=40), st.sampled_from(["2026-11-23", "2026-11-23T10:00:00"]))
def test_any_text_is_read_or_refused(text: str, before: str) -> None:
    for value in (text, before + text):
        asked = query(start=value, end=value)
        with contextlib.suppress(Refusal):
            asked.start()
        with contextlib.suppress(Refusal):
            asked.day("end")


@pytest.mark.parametrize("text", ["0", "1001", "-1", "1.5", "x", "", "1" * 5000, "\u0661"])
def test_whole_numbers_have_bounds(text: str) -> None:
    with pytest.raises(Refusal, match="limit must be a whole number, 1 to 1000"):
        query(limit=text).whole("limit", default=10, low=1, high=1000)


def test_absent_is_none_or_the_default() -> None:
    nothing = query()
    assert (nothing.text("x"), nothing.start(), nothing.day("x"), nothing.choice("x", "ab")) == (None,) * 4
    assert (nothing.choices("x", "ab"), nothing.whole("x", default=7, low=1, high=9)) == ([], 7)


def test_what_is_given_twice_is_refused() -> None:
    with pytest.raises(Refusal, match="tag is given more than once"):
        query(tag=["a", "b"]).text("tag")


@pytest.mark.parametrize("given", [["a", "b"], '["a", "b"]', ["a", "b", "a"]])
def test_several_choices_in_both_forms(given: object) -> None:
    assert query(grouping=given).choices("grouping", ("a", "b", "c")) == ["a", "b"]


@pytest.mark.parametrize("given", ["x", ["a", "x"], '["x"]', "[1]", "[", '["a"', "a,b", "[" * 9000])
def test_other_choices_are_refused(given: object) -> None:
    with pytest.raises(Refusal, match=r"^400 Bad Request: grouping must be "):
        query(grouping=given).choices("grouping", ("a", "b"))
