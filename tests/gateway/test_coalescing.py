"""What comes one at a time passes at once; what comes faster is let gather for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from pytest_dgbudget.gateway import clock
from pytest_dgbudget.gateway.clock import MeteringLoop
from pytest_dgbudget.gateway.frames import BINARY, TEXT, frame
from pytest_dgbudget.gateway.relay import Relay
from pytest_dgbudget.gateway.upstream import Upstream
from tests.gateway.conversations import conversation
from tests.gateway.memory import Carried, MemoryTransport

AUDIO = frame(BINARY, bytes(640), mask=False)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def loop(waits: list[float]) -> Iterator[MeteringLoop]:
    loop = MeteringLoop(wait=waits.append)
    yield loop
    loop.close()


def look_after(loop: MeteringLoop, does: Callable[[Relay], None]) -> None:
    """Run it on a relay, and let the loop look for what comes next, twice."""

    async def main() -> None:
        upstream = Upstream([], None, Carried(MemoryTransport()))
        relay = Relay(MemoryTransport(), upstream, conversation(clock=loop), lambda _: None, loop)
        relay.start(b"")
        does(relay)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())


def test_one_message_at_a_time_passes_without_a_wait(loop: MeteringLoop, waits: list[float]) -> None:
    look_after(loop, lambda relay: relay._vendor_sent(AUDIO))
    look_after(loop, lambda relay: relay._vendor_sent(frame(TEXT, b"{}", mask=False) * 3))
    assert waits == []


def test_the_gateway_waits_once_when_several_came_together(loop: MeteringLoop, waits: list[float]) -> None:
    look_after(loop, lambda relay: relay._vendor_sent(AUDIO * 2))
    assert waits == [clock._GATHER_SECONDS]


def test_many_busy_sessions_wait_together(loop: MeteringLoop, waits: list[float]) -> None:
    def fifty_times(relay: Relay) -> None:
        for _ in range(50):
            relay._vendor_sent(AUDIO * 2)

    look_after(loop, fifty_times)
    assert waits == [clock._GATHER_SECONDS]


def test_the_wait_is_too_short_for_a_deadline_to_notice() -> None:
    assert clock._GATHER_SECONDS < 0.0005
