"""The loop that meters, where the machine's own timers stand still and its clock does not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

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


def test_names_that_are_looked_up_for_ever_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, done = threading.Barrier(41), threading.Event()
    look_up = socket.getaddrinfo

    def hangs(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "hangs.invalid":
            stuck.wait(20)
            done.wait(20)
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)

    async def looks_up() -> None:
        loop = asyncio.get_running_loop()
        hanging = [asyncio.ensure_future(loop.getaddrinfo("hangs.invalid", 443)) for _ in range(40)]
        await asyncio.to_thread(stuck.wait, 20)
        assert (await loop.getaddrinfo("127.0.0.1", 443))[0][4][:2] == ("127.0.0.1", 443)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("not an address", 443, flags=socket.AI_NUMERICHOST)
        assert not any(each.done() for each in hanging)

    try:
        run(looks_up())
    finally:
        done.set()
