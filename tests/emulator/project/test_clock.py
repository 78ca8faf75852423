"""The project's clock."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from pytest_dgbudget.emulator.project.clock import Clock

START = datetime(2026, 11, 23, tzinfo=timezone.utc)


def test_clock_of_its_own_accord_is_the_machines() -> None:
    assert abs(Clock().now() - datetime.now(timezone.utc)) < timedelta(seconds=5)


def test_clock_that_stands_still_moves_when_it_is_advanced() -> None:
    clock = Clock(start=START, speed=0)
    assert (clock.now(), clock.seconds()) == (START, 0)
    clock.advance(90)
    assert (clock.now(), clock.seconds()) == (START + timedelta(seconds=90), 90)


def test_sped_up_clock_gains_in_utc_and_in_seconds() -> None:
    clock, own = Clock(speed=100_000), Clock(start=START, speed=100_000)
    began = time.monotonic()
    while time.monotonic() - began < 0.01:
        pass
    assert clock.seconds() >= 1000
    assert clock.now() - datetime.now(timezone.utc) > timedelta(seconds=900)
    assert own.now() - START >= timedelta(seconds=1000)


def test_clock_without_a_start_is_advanced_from_the_machines() -> None:
    clock = Clock()
    clock.advance(86_400)
    ahead = clock.now() - datetime.now(timezone.utc)
    assert abs(ahead - timedelta(days=1)) < timedelta(seconds=5)
