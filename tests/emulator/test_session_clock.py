"""One session's time: at pace vendor it is real, at pace max delays are skipped and counted."""

from __future__ import annotations

import asyncio
import time

import pytest

from pytest_dgbudget.emulator.session_clock import SessionClock

pytestmark = pytest.mark.asyncio


async def test_at_pace_vendor_delays_are_waited_for_and_nothing_is_skipped() -> None:
    clock, began = SessionClock("vendor"), time.monotonic()
    await clock.sleep(0.2)
    assert 0.19 < time.monotonic() - began < 2
    clock.skip_to(clock.seconds() + 100)
    assert clock.skipped == 0.0


class Loop:
    """A loop whose time the test sets."""

    now = 1000.0

    def time(self) -> float:
        return self.now


async def test_at_pace_max_exactly_what_is_not_waited_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, loop = SessionClock("max"), Loop()
    monkeypatch.setattr(clock, "_loop", loop)
    await clock.sleep(30)
    assert (clock.skipped, clock.seconds()) == (30.0, 1030.0)
    loop.now += 4
    await clock.sleep_until(1040)  # 4 of these 10 s have passed
    assert (clock.skipped, clock.seconds()) == (36.0, 1040.0)
    await clock.sleep_until(1040)
    await clock.sleep_until(1000)
    clock.skip_to(1039)
    assert (clock.skipped, clock.seconds()) == (36.0, 1040.0)


async def test_time_that_has_passed_by_itself_is_not_skipped() -> None:
    clock = SessionClock("max")
    moment = clock.seconds() + 0.5
    await asyncio.sleep(0.2)
    await clock.sleep_until(moment)
    assert 0.1 < clock.skipped < 0.31
    await clock.sleep_until(moment - 10)
    clock.skip_to(moment - 10)
    assert clock.skipped < 0.31
    assert clock.seconds() >= moment


async def test_a_sleep_at_pace_max_yields_to_others() -> None:
    clock, turns = SessionClock("max"), []

    async def other() -> None:
        for n in range(5):
            turns.append(n)
            await asyncio.sleep(0)

    running = asyncio.ensure_future(other())
    for _ in range(10):
        await clock.sleep(1)
        await clock.sleep_until(0)
    assert turns == [0, 1, 2, 3, 4]
    await running


@pytest.mark.parametrize(("pace", "waits"), [("vendor", False), ("max", True)])
async def test_at_pace_max_the_client_gets_a_moment_to_react(pace: str, waits: bool) -> None:
    clock = SessionClock("max" if pace == "max" else "vendor")
    reacted: list[bool] = []
    asyncio.get_running_loop().call_later(0.001, reacted.append, True)
    await clock.let_client_react()
    assert reacted == [True] * waits


async def test_an_alarm_fires_once_when_its_time_is_skipped() -> None:
    clock, rung = SessionClock("max"), []
    clock.at(clock.seconds() + 100, lambda: rung.append(clock.seconds()))
    moment = clock.seconds() + 100
    clock.skip_to(moment - 1)
    assert rung == []
    clock.skip_to(moment + 50)
    clock.skip_to(moment + 100)
    (at,) = rung
    assert at >= moment


async def test_an_alarm_fires_by_itself_in_real_time_also_after_a_skip() -> None:
    for skip in (0.0, 10.0):
        clock, rang = SessionClock("max"), asyncio.Event()
        clock.at(clock.seconds() + skip + 0.2, rang.set)
        clock.skip_to(clock.seconds() + skip)
        assert not rang.is_set()
        await asyncio.wait_for(rang.wait(), 10)


async def test_an_alarm_of_the_past_fires_at_once_and_a_cancelled_one_never() -> None:
    clock, rung = SessionClock("max"), []
    clock.at(clock.seconds() - 1, lambda: rung.append("past"))
    assert rung == ["past"]
    cancel = clock.at(clock.seconds() + 1, lambda: rung.append("never"))
    cancel()
    cancel()
    clock.skip_to(clock.seconds() + 10)
    await asyncio.sleep(0)
    assert rung == ["past"]


async def test_an_alarm_may_cancel_another_that_is_due_as_well() -> None:
    clock, rung = SessionClock("max"), []
    moment = clock.seconds() + 1

    def first() -> None:
        rung.append("first")
        cancel()

    clock.at(moment, first)
    cancel = clock.at(moment, lambda: rung.append("second"))
    clock.skip_to(moment)
    assert rung == ["first"]


async def test_nothing_is_skipped_beyond_the_end_and_what_lies_there_is_waited_for() -> None:
    clock, rung = SessionClock("max"), []
    began = clock.seconds()
    clock.end = began + 100
    clock.at(clock.end, lambda: rung.append(clock.seconds()))
    sleeping = asyncio.ensure_future(clock.sleep(36_000))
    await asyncio.sleep(0.1)
    assert not sleeping.done()
    clock.skip_to(began + 50_000)
    assert 99 < clock.skipped <= 100
    assert rung == [pytest.approx(began + 100, abs=0.2)]
    sleeping.cancel()


async def test_audio_that_is_ahead_of_its_time_counts_as_skipped_unless_that_time_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, loop = SessionClock("max"), Loop()
    monkeypatch.setattr(clock, "_loop", loop)
    clock.audio_until = 1030.0
    assert (clock.skipped, clock.seconds()) == (30.0, 1000.0)
    loop.now += 10
    assert (clock.skipped, clock.seconds()) == (20.0, 1010.0)
    clock.catch_up()
    assert (clock.skipped, clock.seconds()) == (20.0, 1030.0)
    clock.audio_until, clock.end = 1100.0, 1050.0
    assert clock.skipped == 40.0
