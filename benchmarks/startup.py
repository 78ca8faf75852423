"""What a plugin costs at every start of pytest, whether it is used or not: instructions of `pytest --co -q`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.instructions import environments, instructions, missing
from benchmarks.pytests import project

BASE = ["pytest", "pytest-asyncio"]
PACKAGES = {
    "pytest-asyncio": BASE,
    "pytest-dgbudget": [*BASE, "."],
    "pytest-timeout": [*BASE, "pytest-timeout"],
    "pytest-xdist": [*BASE, "pytest-xdist"],
}
OURS = "pytest-dgbudget"


def benchmarks() -> Sequence[Benchmark]:
    starts = Starts()
    reach = Reach(
        subject=OURS, limit=1.03, of="ratio", row="instructions of pytest --co with the plugin / with pytest-asyncio"
    )
    return [
        Benchmark(
            name="startup",
            title="a start of pytest with one test, pytest-asyncio in all of them",
            subjects=[
                Subject(name="pytest-asyncio", trial=starts.of("pytest-asyncio"), setup=starts.open),
                Subject(name=OURS, trial=starts.of(OURS)),
                Subject(name="-p no:dgbudget", trial=starts.of(OURS, "-p", "no:dgbudget")),
                Subject(name="pytest-timeout", trial=starts.of("pytest-timeout")),
                Subject(name="pytest-xdist", trial=starts.of("pytest-xdist")),
            ],
            figures=[Figure(name="instructions", unit="million", reach=reach)],
            trials=2,
            quick_trials=1,
            missing=missing(),
            warm_up=0,
        )
    ]


@dataclass(slots=True)
class Starts:
    """Environments and project are there from the reference's setup on, which is around all others."""

    pythons: Mapping[str, Path] = field(default_factory=dict)
    folder: Path = Path()

    @contextmanager
    def open(self) -> Iterator[None]:
        with environments(PACKAGES) as self.pythons, project("def test_it():\n    pass\n") as self.folder:
            yield

    def of(self, plugin: str, *arguments: str) -> Callable[[], Figures]:
        return lambda: {
            "instructions": instructions(self.pythons[plugin], ["--co", "-q", *arguments], self.folder) / 1e6
        }
