"""Many sessions at real-time pace, 50 messages of 640 bytes a second each way: what a relay adds, and what it uses."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.programs import Program, cpu_seconds, program, resident_mib
from benchmarks.ways import Way, Ways

SIZES = (10, 50, 100, 200)
SECONDS = 4
OURS = "through the gateway"

# What the reach is for, and how far it is.
JUDGED_SIZE = 100
REACHES = {
    "round trip p50": Reach(subject=OURS, limit=0.3, of="difference", row="added round trip at 100 sessions, p50"),
    "round trip p99": Reach(subject=OURS, limit=3, of="difference", row="added round trip at 100 sessions, p99"),
    "memory idle": Reach(subject=OURS, limit=40, row="gateway: resident memory, idle"),
    "memory": Reach(subject=OURS, limit=80, row="gateway: resident memory with 100 sessions"),
}


def benchmarks() -> Sequence[Benchmark]:
    return [benchmark(size, REACHES if size == JUDGED_SIZE else {}) for size in SIZES]


def benchmark(size: int, reaches: Mapping[str, Reach]) -> Benchmark:
    ways = Ways()
    return Benchmark(
        name=f"realtime.{size}",
        title=f"{size} sessions at real-time pace",
        subjects=[
            Subject(name="direct", trial=lambda: trial(ways.direct, size), setup=ways.open),
            Subject(name="through a message-level relay", trial=lambda: trial(ways.message_relay, size)),
            Subject(name=OURS, trial=lambda: trial(ways.gateway, size)),
            Subject(name="through a gateway that records", trial=lambda: trial(ways.recording_gateway, size)),
        ],
        figures=(
            Figure(name="round trip p50", unit="ms", statistic="p50", reach=reaches.get("round trip p50")),
            Figure(name="round trip p99", unit="ms", statistic="p99", reach=reaches.get("round trip p99")),
            Figure(name="CPU", unit="% of a core"),
            Figure(name="memory idle", unit="MiB", reach=reaches.get("memory idle")),
            Figure(name="memory", unit="MiB", statistic="max", reach=reaches.get("memory")),
        ),
        trials=10,
        quick_trials=1,
    )


def trial(way: Way | None, size: int) -> Figures:
    assert way is not None
    with program("pacer", str(way.port), way.token, str(size), str(SECONDS)) as load:
        relay = use_of_relay(way.relay, way.idle_mib, load) if way.relay else until_ended(load)
        milliseconds = json.loads(load.line())
    return {"round trip p50": milliseconds, "round trip p99": milliseconds, **relay}


def until_ended(load: Program) -> Mapping[str, float]:
    """Nothing of a relay where there is none."""
    assert (load.line(), load.line()) == ("began", "ended")
    return {}


def use_of_relay(relay: int, idle_mib: float | None, load: Program) -> Mapping[str, float]:
    """Its CPU while the load runs, and its memory with the sessions still open."""
    assert load.line() == "began"
    started, before = time.perf_counter(), cpu_seconds(relay)
    assert load.line() == "ended"
    seconds, after = time.perf_counter() - started, cpu_seconds(relay)
    figures = {
        "CPU": 100 * (after - before) / seconds if after is not None and before is not None else None,
        "memory idle": idle_mib,
        "memory": resident_mib(relay),
    }
    return {name: value for name, value in figures.items() if value is not None}
