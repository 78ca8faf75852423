"""What the relay costs, as counts that no busy machine changes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from benchmarks.echo import SETTINGS, round_trips
from benchmarks.ways import Way, Ways

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

TRIPS = 1000


def test_audio_passes_without_new_memory() -> None:
    ways = Ways()
    with ways.open():
        assert ways.gateway is not None
        faults = asyncio.run(page_faults_of_echoes(ways.gateway))
    print(faults)
    # Two reads a round trip, of two pages each where every read has memory of its own.
    assert faults < TRIPS / 2


async def page_faults_of_echoes(way: Way) -> int:
    headers = {"Authorization": f"Token {way.token}"}
    async with connect(way.url, additional_headers=headers, compression=None, proxy=None) as session:
        await session.recv()
        await session.send(SETTINGS)
        await session.recv()
        await round_trips(session, 100, 1)
        before = page_faults(way.relay)
        await round_trips(session, TRIPS, 1)
        return page_faults(way.relay) - before


def page_faults(pid: int | None) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[7])
