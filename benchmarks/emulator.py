"""The emulator alone: whether its speech is in time, how many turns it takes, how soon it is there, what it holds."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.pacer import PATH, read_head
from benchmarks.programs import cpu_seconds, ended, program, resident_mib
from benchmarks.wire import upgrade_request

SIZE = 100
SECONDS = 10
OURS = "emulator"


def benchmarks() -> Sequence[Benchmark]:
    return [talk(), turns(), start()]


def talk() -> Benchmark:
    in_time = Reach(subject=OURS, limit=1, row=f"emulator: frames that come too late to be heard, {SIZE} conversations")
    return Benchmark(
        name="emulator.talk",
        title=f"{SIZE} conversations with the emulator at the vendor's pace",
        subjects=[Subject(name=OURS, trial=conversations)],
        figures=(
            Figure(name="late", unit="of 1,000 frames", statistic="max", reach=in_time),
            Figure(name="frames", unit="frames"),
            Figure(name="CPU", unit="% of a core"),
            Figure(name="memory", unit="MiB", statistic="max"),
        ),
        trials=3,
        quick_trials=1,
        null_within=40,
    )


def turns() -> Benchmark:
    many = Reach(subject=OURS, limit=300, row="emulator at pace max: turns a second of one core")
    return Benchmark(
        name="emulator.turns",
        title=f"text turns at pace max in {SIZE} sessions",
        subjects=[Subject(name=OURS, trial=fast_turns)],
        figures=(Figure(name="turns", unit="a second of CPU", better="higher", reach=many),),
        trials=3,
        quick_trials=1,
        null_within=40,
    )


def start() -> Benchmark:
    soon = Reach(subject=OURS, limit=300, row="emulator: start to first accepted connection")
    small = Reach(subject=OURS, limit=30, row="emulator: resident memory, idle")
    return Benchmark(
        name="emulator.start",
        title="a start of the emulator",
        subjects=[Subject(name=OURS, trial=opening)],
        figures=(
            Figure(name="first connection", unit="ms", reach=soon),
            Figure(name="memory idle", unit="MiB", statistic="max", reach=small),
        ),
        trials=10,
        quick_trials=2,
        null_within=100,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """One that runs."""

    pid: int
    port: int
    key: str


@contextmanager
def emulator(*options: str) -> Iterator[Emulator]:
    process = subprocess.Popen(
        [sys.executable, "-c", f"from pytest_dgbudget.emulator import main; main({['--tied', *options]!r})"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        addresses = json.loads(process.stdout.readline())
        yield Emulator(pid=process.pid, port=urlsplit(addresses["agent_url"]).port or 0, key=addresses["api_key"])
    finally:
        process.stdin.close()
        process.stdout.close()
        ended(process)


def conversations() -> Figures:
    with emulator() as ours, program("talkers", str(ours.port), ours.key, str(SIZE), str(SECONDS)) as load:
        assert load.line() == "began"
        started, before = time.perf_counter(), cpu_seconds(ours.pid) or 0
        assert load.line() == "ended"
        seconds, after = time.perf_counter() - started, cpu_seconds(ours.pid) or 0
        early = json.loads(load.line())
        memory = resident_mib(ours.pid)
    late = 1000 * sum(each < 0 for each in early) / len(early)
    figures: Figures = {"late": late, "frames": len(early), "CPU": 100 * (after - before) / seconds}
    return figures if memory is None else {**figures, "memory": memory}


def fast_turns() -> Figures:
    with emulator("--pace=max") as ours, program("turns", str(ours.port), ours.key, str(SIZE), str(SECONDS)) as load:
        assert load.line() == "began"
        before = cpu_seconds(ours.pid) or 0
        count, after = int(load.line()), cpu_seconds(ours.pid) or 0
    return {"turns": count / (after - before)}


def opening() -> Figures:
    started = time.perf_counter()
    with emulator() as ours, socket.create_connection(("127.0.0.1", ours.port)) as client:
        client.sendall(upgrade_request(ours.port, PATH, ours.key))
        read_head(client)
        milliseconds = 1000 * (time.perf_counter() - started)
        memory = resident_mib(ours.pid)
    figures: Figures = {"first connection": milliseconds}
    return figures if memory is None else {**figures, "memory idle": memory}
