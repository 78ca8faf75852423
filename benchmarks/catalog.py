"""Which benchmarks there are. A module is imported when it is chosen, what it compares with when it runs."""

import importlib
from collections.abc import Sequence
from typing import cast

from benchmarks.comparison import Benchmark

MODULES = {
    "open_close": "a session's open and close: raw websockets, official SDK, aiohttp, through the gateway",
    "echo": "round trips as fast as possible and the CPU they cost: direct, message-level relay, gateway",
    "realtime": "10 to 200 sessions at real-time pace: added round trip, CPU, memory",
    "lateness": "how late the cut comes under five adversaries: pytest-timeout, asyncio.timeout, a thread, the gateway",
    "death": "how soon the server sees a session closed when its owner is killed",
    "startup": "instructions of a pytest start: with pytest-asyncio alone, with us, with pytest-timeout, pytest-xdist",
    "per_test": "instructions per test that uses the fixture and that doesn't",
    "emulator": "the emulator: how late its speech is in 100 conversations, start to first connection, memory",
    "ledger": "leases per second with one writer and with eight",
    "postgres": "a ledger on PostgreSQL: what eight gateways wait for leases, and that none starves",
    "history": "start, first session and report in a ledger of 10,000 runs and a million sessions, and in an empty one",
    "audit": "dgbudget audit of 100,000 sessions against 100,000 requests: time after the download, memory",
    "replay": "a replay of a conversation: how soon it is over, how far from the recorded instants, a cassette's size",
}


class UnknownName(Exception):
    """A name that is neither a module nor one of its benchmarks."""


def chosen(names: Sequence[str]) -> Sequence[Benchmark]:
    """The benchmarks of these names, in the order given; all without names."""
    return [benchmark for name in names or MODULES for benchmark in named(name)]


def named(name: str) -> Sequence[Benchmark]:
    module = name.partition(".")[0]
    if module not in MODULES:
        raise UnknownName(name)
    offered = benchmarks_of(module)
    found = [benchmark for benchmark in offered if name in (module, benchmark.name)]
    if not found:
        raise UnknownName(name)
    return found


def benchmarks_of(module: str) -> Sequence[Benchmark]:
    imported = importlib.import_module(f"benchmarks.{module}")
    return cast(Sequence[Benchmark], imported.benchmarks())
