"""The loop that meters, where the machine's own timers stand still and its clock does not."""

from __future__ import annotations

import asyncio
import threading
import time

from pytest_dgbudget.gateway.clock import metering_loop, run


def test_what_fell_due_during_a_suspend_is_done_at_once() -> None:
    """No timer of the system reports that a suspend is over: the loop must look by itself."""
    asleep_seconds = 0

    async def suspended() -> None:
        deadline = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(60, deadline.set_result, None)
        threading.Timer(0.5, resume).start()
        await deadline

    def resume() -> None:
        nonlocal asleep_seconds
        asleep_seconds = 3600

    started_at = time.monotonic()
    run(suspended(), clock=lambda: time.monotonic() + asleep_seconds)
    assert time.monotonic() - started_at < 10


def test_a_loop_finds_out_that_it_stood_still_and_for_how_long() -> None:
    stalls: list[int] = []

    async def is_held() -> None:
        metering_loop().stalled = stalls.append
        await asyncio.sleep(0.3)
        asyncio.get_running_loop().call_soon(time.sleep, 1.3)
        await asyncio.sleep(0.3)

    run(is_held())
    assert [1100 < stalled < 10_000 for stalled in stalls] == [True]
