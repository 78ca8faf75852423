"""What each test costs: one that doesn't use the fixture, one that does, one that opens a session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.instructions import environments, instructions, missing
from benchmarks.programs import program
from benchmarks.pytests import project, running
from benchmarks.through_gateway import KEY

MANY = 1000

PLAIN = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n):\n    pass\n"
ASKS = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n, voice_agent):\n    pass\n"
OPENS = ASKS.replace("    pass", "    with voice_agent.connect(): pass")


def benchmarks() -> Sequence[Benchmark]:
    return [unused(), used()]


def unused() -> Benchmark:
    counts = Counts()
    reach = Reach(
        subject="with the plugin", limit=1.02, of="ratio", row="instructions per test that doesn't use the fixture"
    )
    return Benchmark(
        name="per_test.unused",
        title=f"each of {MANY:,} tests that don't use the fixture",
        subjects=[
            Subject(name="pytest-asyncio", trial=counts.of("without"), setup=counts.open),
            Subject(name="with the plugin", trial=counts.of("with")),
        ],
        figures=[Figure(name="instructions", unit="thousand", reach=reach)],
        trials=1,
        quick_trials=1,
        missing=missing(),
        warm_up=0,
    )


@dataclass(slots=True)
class Counts:
    """Environments are there from the reference's setup on, which is around all others."""

    pythons: Mapping[str, Path] = field(default_factory=dict)

    @contextmanager
    def open(self) -> Iterator[None]:
        base = ["pytest", "pytest-asyncio"]
        with environments({"without": base, "with": [*base, "."]}) as self.pythons:
            yield

    def of(self, environment: str) -> Callable[[], Figures]:
        return lambda: {"instructions": instructions_per_test(self.pythons[environment], MANY) / 1000}


def instructions_per_test(python: Path, count: int) -> float:
    """Of so many tests; what one alone costs is what a start costs."""
    with project(PLAIN.format(count=count)) as many, project(PLAIN.format(count=1)) as one:
        return (instructions(python, ["-q"], many) - instructions(python, ["-q"], one)) / (count - 1)


def used() -> Benchmark:
    times = Times()
    return Benchmark(
        name="per_test.used",
        title=f"each of {MANY:,} tests",
        subjects=[
            Subject(name="plain", trial=times.of(PLAIN), setup=times.open),
            Subject(name="asks for voice_agent", trial=times.of(ASKS)),
            Subject(name="opens a session", trial=times.of(OPENS)),
        ],
        figures=[Figure(name="milliseconds", unit="ms")],
        trials=5,
        quick_trials=1,
        warm_up=0,
        null_within=0.5,
    )


@dataclass(slots=True)
class Times:
    """`url` is there from the reference's setup on, which is around all others."""

    url: str = ""

    @contextmanager
    def open(self) -> Iterator[None]:
        with program("agent_server") as server:
            self.url = f"ws://127.0.0.1:{server.line()}/v1/agent/converse"
            yield

    def of(self, source: str) -> Callable[[], Figures]:
        return lambda: {"milliseconds": (self._seconds(source, MANY) - self._seconds(source, 1)) * 1000 / (MANY - 1)}

    def _seconds(self, source: str, count: int) -> float:
        environ = {"DG_AGENT_URL": self.url, "DEEPGRAM_API_KEY": KEY}
        arguments = ["--dg-budget=100h", "--dg-reconcile=off"]
        started = time.perf_counter()
        with project(source.format(count=count)) as folder, running(folder, arguments, environ) as process:
            if process.wait() != 0:
                raise RuntimeError("a pytest of the benchmark failed")
            return time.perf_counter() - started
