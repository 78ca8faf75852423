"""Samples at another rate: what both rates can hold stays, and nothing else comes in."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest

from pytest_dgbudget.rules.resampling import resample

RATES = [(44_100, 16_000), (48_000, 16_000), (44_100, 24_000), (8000, 16_000), (11_025, 24_000), (16_000, 8000)]
AMPLITUDE = 10_000.0


def sine(hz: float, rate: int, seconds: float = 0.3) -> list[float]:
    return [AMPLITUDE * math.sin(2 * math.pi * hz * n / rate) for n in range(int(rate * seconds))]


def decibels(samples: Sequence[float]) -> float:
    """Return how loud the middle of it is, against a sine of this amplitude."""
    middle = samples[len(samples) // 10 : -len(samples) // 10]
    power = sum(sample * sample for sample in middle) / len(middle)
    return 10 * math.log10(power / (AMPLITUDE**2 / 2) + 1e-20)


@pytest.mark.parametrize(("rate", "to_rate"), RATES)
@pytest.mark.parametrize("share", [0.02, 0.25, 0.79])
def test_what_both_rates_can_hold_stays_as_it_was(rate: int, to_rate: int, share: float) -> None:
    """Loudness within 0.1 dB, and no more than -60 dB of anything else: no delay, no image."""
    hz = share * min(rate, to_rate) / 2
    found, ideal = resample(sine(hz, rate), rate, to_rate), sine(hz, to_rate)
    assert abs(decibels(found)) < 0.1
    assert decibels([one - other for one, other in zip(found, ideal, strict=False)]) < -60


@pytest.mark.parametrize(("rate", "to_rate"), [rates for rates in RATES if rates[0] > rates[1]])
@pytest.mark.parametrize("share", [1.001, 1.1, 1.3])
def test_what_the_lower_rate_can_not_hold_is_60_db_down(rate: int, to_rate: int, share: float) -> None:
    assert decibels(resample(sine(share * to_rate / 2, rate), rate, to_rate)) < -60


def test_a_sine_of_1_khz_is_as_loud_as_before() -> None:
    for rate, to_rate in RATES:
        assert abs(decibels(resample(sine(1000, rate, 0.1), rate, to_rate))) < 0.1


@pytest.mark.parametrize("count", [0, 1, 2, 441, 10_000])
def test_it_lasts_as_long_as_before(count: int) -> None:
    assert len(resample([1.0] * count, 44_100, 16_000)) == math.ceil(count * 16_000 / 44_100)


def test_a_constant_stays_what_it_is() -> None:
    assert resample([1000.0] * 4000, 44_100, 16_000)[200:1000] == pytest.approx([1000.0] * 800)


def test_the_same_rate_changes_nothing() -> None:
    samples = [1.0, 2.0]
    assert resample(samples, 8000, 8000) is samples


def test_ten_seconds_take_about_a_second() -> None:
    samples = sine(1000, 44_100, 10)
    began = time.process_time()
    resample(samples, 44_100, 16_000)
    assert time.process_time() - began < 3  # about 1 where nothing else runs
