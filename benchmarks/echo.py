"""Round trips of 640-byte audio messages, as fast as possible, and the CPU that they cost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.programs import cpu_seconds
from benchmarks.ways import Way, Ways
from pytest_dgbudget.client.agent_settings import DEFAULT_SETTINGS

AUDIO = bytes(640)
SETTINGS = json.dumps(DEFAULT_SETTINGS)
ONE_BY_ONE, IN_FLIGHT, WINDOW = 2_000, 10_000, 16

THROUGHPUT = Reach(
    subject="through the gateway", limit=0.65, of="ratio", row="echo throughput through the gateway / direct"
)
CPU = Reach(
    subject="through the gateway",
    limit=0.8,
    of="ratio",
    row="relay CPU per million round trips / the raw client's own",
)


def benchmarks() -> Sequence[Benchmark]:
    ways = Ways()
    return [
        Benchmark(
            name="echo",
            title="echo of 640-byte audio messages",
            subjects=[
                Subject(name="direct", trial=lambda: trial(ways.direct), setup=ways.open),
                Subject(name="through a message-level relay", trial=lambda: trial(ways.message_relay)),
                Subject(name="through the gateway", trial=lambda: trial(ways.gateway)),
                Subject(name="through a gateway that records", trial=lambda: trial(ways.recording_gateway)),
            ],
            figures=FIGURES,
            trials=60,
            quick_trials=5,
        )
    ]


RELAY_CPU = "CPU of the relay (direct: of the client)"
PER_MILLION = "s per million round trips"

FIGURES = (
    Figure(name=f"{WINDOW} in flight", unit="round trips/s", better="higher", reach=THROUGHPUT),
    Figure(name="one by one", unit="round trips/s", better="higher"),
    Figure(name=RELAY_CPU, unit=PER_MILLION, reach=CPU),
    Figure(name="CPU of the client", unit=PER_MILLION),
    Figure(name=f"{RELAY_CPU}, one by one", unit=PER_MILLION),
)


def trial(way: Way | None) -> Figures:
    assert way is not None
    return asyncio.run(echoes(way))


async def echoes(way: Way) -> Figures:
    headers = {"Authorization": f"Token {way.token}"}
    async with connect(way.url, additional_headers=headers, compression=None, proxy=None) as session:
        await session.recv()
        await session.send(SETTINGS)
        await session.recv()
        one_by_one = await measured(session, way.relay, ONE_BY_ONE, 1)
        in_flight = await measured(session, way.relay, IN_FLIGHT, WINDOW)
    figures = {
        f"{WINDOW} in flight": in_flight["rate"],
        "one by one": one_by_one["rate"],
        "CPU of the client": in_flight["client"],
        RELAY_CPU: in_flight.get("relay"),
        f"{RELAY_CPU}, one by one": one_by_one.get("relay"),
    }
    return {name: value for name, value in figures.items() if value is not None}


async def measured(session: ClientConnection, relay: int | None, trips: int, window: int) -> Mapping[str, float]:
    """Round trips per second, and CPU seconds per million of them."""
    started, client, relayed = time.perf_counter(), time.process_time(), cpu_of(relay)
    await round_trips(session, trips, window)
    client_after, relayed_after = time.process_time(), cpu_of(relay)
    figures = {"rate": trips / (time.perf_counter() - started), "client": (client_after - client) * 1e6 / trips}
    if relayed is not None and relayed_after is not None:
        figures["relay"] = (relayed_after - relayed) * 1e6 / trips
    return figures


def cpu_of(relay: int | None) -> float | None:
    return time.process_time() if relay is None else cpu_seconds(relay)


async def round_trips(session: ClientConnection, trips: int, window: int) -> None:
    for _ in range(window):
        await session.send(AUDIO)
    for _ in range(trips - window):
        await session.recv()
        await session.send(AUDIO)
    for _ in range(window):
        await session.recv()
