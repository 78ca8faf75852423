"""Whether pairs of milliseconds, as recorded and now, say that something takes longer."""

from __future__ import annotations

from random import Random

import pytest

from pytest_dgbudget.rules.slowdown import slowdown


def found(*pairs: tuple[float, float]) -> bool:
    result = slowdown(pairs)
    return result is not None and result.is_slower


def test_too_few_pairs_are_not_judged() -> None:
    assert slowdown([]) is None
    two = slowdown([(1000, 9000)] * 2)
    assert two is not None
    assert (two.pairs, two.limit) == (2, None)
    assert two.recorded_ms == pytest.approx(1000)
    assert two.now_ms == pytest.approx(9000)
    assert not found(*[(1000, 9000)] * 2)
    assert found(*[(1000, 9000)] * 3)


def test_the_same_change_of_all_pairs_is_found_and_one_of_a_single_pair_is_not() -> None:
    assert found(*[(1000, 1600)] * 4)
    assert not found((1000, 5000), *[(1000, 1000)] * 3)


def test_what_days_differ_by_is_none_however_alike_the_pairs_are() -> None:
    assert not found(*[(1000, 1240)] * 100)
    assert found(*[(1000, 1260)] * 100)
    assert not found(*[(10, 200)] * 100)  # too few milliseconds
    assert found(*[(10, 220)] * 100)


def test_what_takes_less_is_none() -> None:
    assert not found(*[(2000, 500)] * 20)


def test_pairs_that_differ_anyway_alarm_falsely_in_fewer_than_one_of_300_checks() -> None:
    random = Random(1)

    def check() -> bool:
        pairs = [(random.uniform(400, 2000), random.uniform(400, 2000)) for _ in range(random.randint(3, 12))]
        return found(*pairs)

    assert sum(check() for _ in range(5000)) < 5000 / 300


def test_what_takes_no_time_can_be_compared() -> None:
    assert not found(*[(0, 0)] * 3)
    assert found(*[(0, 400)] * 9)
