"""How long the fixture's own client waits for a place at the vendor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_dgbudget.client.backoff import Backoff

NOW = "Sat, 28 Nov 2026 10:00:00 GMT"


class Clock:
    """Goes on by what is waited."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def pauses(retry_after: str = "") -> Iterator[float]:
    """Yield the pauses of a client that is refused again and again, at once."""
    clock = Clock()
    backoff = Backoff(clock)
    while (pause := backoff.pause(retry_after, NOW)) is not None:
        yield pause
        clock.seconds += pause


def test_pauses_double_and_end_after_half_a_minute() -> None:
    assert list(pauses()) == [0.5, 1, 2, 4, 8, 14.5]


def test_what_the_vendor_asks_for_is_the_least() -> None:
    assert list(pauses("5")) == [5, 5, 5, 5, 8]


def test_what_the_vendor_asks_for_is_not_waited_for_where_the_time_would_not_do() -> None:
    assert list(pauses("31")) == []
    assert list(pauses("20")) == [20]


def test_it_may_name_an_instant_which_counts_from_its_own_clock() -> None:
    assert list(pauses("Sat, 28 Nov 2026 10:00:12 GMT")) == [12, 12]
    assert list(pauses("Sat, 28 Nov 2026 11:00:00 GMT")) == []
    assert next(pauses("Sat, 28 Nov 2026 09:00:00 GMT")) == 0.5


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "1.5", "²", "Sat, 99 Nov 2026 10:00:00 GMT"])
def test_what_can_not_be_read_is_as_good_as_nothing(retry_after: str) -> None:
    assert list(pauses(retry_after)) == list(pauses())
