"""Subjects measured side by side: interleaved in rounds, with a null comparison, judged only where that holds."""

import importlib.util
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Literal

from benchmarks.samples import Spread, Statistic, reduce, spread

Figures = Mapping[str, float | Sequence[float]]

NULL = "null"
NULL_LOW, NULL_HIGH = 0.95, 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that is measured. `trial` runs it once and returns its figures by name: a number, or many samples."""

    name: str
    trial: Callable[[], Figures]
    setup: Callable[[], AbstractContextManager[None]] | None = None  # around all rounds
    needs: Sequence[str] = ()  # modules without which this subject alone is left out
    every: int = 1  # in which rounds it takes part: one whose figure is far off needs few


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a subject's figure should get; at most or at least is the figure's `better`."""

    subject: str
    limit: float
    of: Literal["ratio", "difference", "value"] = "value"  # the first two: to the reference
    row: str = ""  # how the summary calls it; else the benchmark's title with the figure's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that trials return. A subject whose trial leaves it out has none."""

    name: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    statistic: Statistic = "median"
    reach: Reach | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The first subject is the reference; the null comparison looks at the first figure, so let it be a steady one."""

    name: str  # the module's name, or `module.variant`
    title: str
    subjects: Sequence[Subject]
    figures: Sequence[Figure]
    trials: int
    quick_trials: int
    needs: Sequence[str] = ()  # importable modules without which nothing of it can run
    missing: str = ""  # what else is missing here, without which nothing of it can run
    warm_up: int = 1  # rounds before those that count
    null_within: float | None = None  # for figures near zero: how far the same thing twice may differ, in their unit
    smaller: "Benchmark | None" = None  # what runs in its place when it should be quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A figure beside its reach. `verdict` is "not judged" when the null comparison was off."""

    row: str
    reach: float
    better: Literal["lower", "higher"]
    ours: float
    unit: str
    verdict: Literal["reached", "missed", "not judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the rounds gave: `samples[subject][figure]` has one list of samples for each round."""

    benchmark: Benchmark
    samples: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
    left_out: Mapping[str, str]  # subject, or the benchmark's name: why

    def value(self, subject: str, figure: Figure) -> float | None:
        """The figure over all rounds together."""
        pooled = [sample for samples in self._rounds(subject, figure) for sample in samples]
        return reduce(pooled, figure.statistic) if pooled else None

    def ratio(self, subject: str, figure: Figure) -> Spread | None:
        """To the reference, round by round."""
        ratios = [ours / theirs for ours, theirs in self._pairs(subject, figure) if theirs]
        return spread(ratios) if ratios else None

    def difference(self, subject: str, figure: Figure) -> Spread | None:
        """From the reference, round by round."""
        differences = [ours - theirs for ours, theirs in self._pairs(subject, figure)]
        return spread(differences) if differences else None

    @property
    def null(self) -> float | None:
        """The reference's ratio to itself."""
        ratio = self.ratio(NULL, self.benchmark.figures[0])
        return ratio.median if ratio else None

    @property
    def judges(self) -> bool:
        if self.benchmark.null_within is not None:
            difference = self.difference(NULL, self.benchmark.figures[0])
            return difference is not None and abs(difference.median) <= self.benchmark.null_within
        return self.null is not None and NULL_LOW <= self.null <= NULL_HIGH

    def judgements(self) -> Sequence[Judgement]:
        made = [self._judgement(figure, figure.reach) for figure in self.benchmark.figures if figure.reach]
        return [judgement for judgement in made if judgement]

    def _judgement(self, figure: Figure, reach: Reach) -> Judgement | None:
        ours = self._measure(figure, reach)
        if ours is None:
            return None
        within = ours <= reach.limit if figure.better == "lower" else ours >= reach.limit
        return Judgement(
            row=reach.row or f"{self.benchmark.title}: {figure.name}",
            reach=reach.limit,
            better=figure.better,
            ours=ours,
            unit="" if reach.of == "ratio" else figure.unit,
            verdict=("reached" if within else "missed") if self.judges else "not judged",
        )

    def _measure(self, figure: Figure, reach: Reach) -> float | None:
        if reach.of == "value":
            return self.value(reach.subject, figure)
        compare = self.ratio if reach.of == "ratio" else self.difference
        compared = compare(reach.subject, figure)
        return compared.median if compared else None

    def _pairs(self, subject: str, figure: Figure) -> Sequence[tuple[float, float]]:
        ours, theirs = self._rounds(subject, figure), self._rounds(self.benchmark.subjects[0].name, figure)
        both = [(mine, other) for mine, other in zip(ours, theirs, strict=False) if mine and other]
        return [(reduce(mine, figure.statistic), reduce(other, figure.statistic)) for mine, other in both]

    def _rounds(self, subject: str, figure: Figure) -> Sequence[Sequence[float]]:
        return self.samples.get(subject, {}).get(figure.name, ())


def run(benchmark: Benchmark, quick: bool, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Every subject once a round. `tell` hears how far it is."""
    if quick and benchmark.smaller:
        return run(benchmark.smaller, quick, tell)
    missing = benchmark.missing or absent(benchmark.needs)
    if missing:
        return Result(benchmark=benchmark, samples={}, left_out={benchmark.name: missing})
    left_out = {subject.name: absent(subject.needs) for subject in benchmark.subjects if absent(subject.needs)}
    present = [subject for subject in benchmark.subjects if subject.name not in left_out]
    with ExitStack() as stack:
        for subject in present:
            if subject.setup:
                stack.enter_context(subject.setup())
        rounds = quick_or_all(benchmark, quick)
        samples = measured(benchmark, with_null(benchmark, present), rounds, tell)
    return Result(benchmark=benchmark, samples=samples, left_out=left_out)


def quick_or_all(benchmark: Benchmark, quick: bool) -> int:
    return benchmark.quick_trials if quick else benchmark.trials


def with_null(benchmark: Benchmark, present: Sequence[Subject]) -> Sequence[Subject]:
    """The reference once more, within the reference's own setup and away from it in the order."""
    reference = benchmark.subjects[0]
    middle = (len(present) + 1) // 2
    return [*present[:middle], Subject(name=NULL, trial=reference.trial), *present[middle:]]


def measured(
    benchmark: Benchmark, subjects: Sequence[Subject], rounds: int, tell: Callable[[str], None]
) -> dict[str, dict[str, list[Sequence[float]]]]:
    names = [figure.name for figure in benchmark.figures]
    samples: dict[str, dict[str, list[Sequence[float]]]] = {s.name: {name: [] for name in names} for s in subjects}
    for number in range(-benchmark.warm_up, rounds):
        for subject in shuffled(subjects, number):
            tell(f"{benchmark.name}: round {number + 1} of {rounds}: {subject.name}")
            figures = subject.trial() if number % subject.every == 0 else {}
            for name in names if number >= 0 else ():
                samples[subject.name][name].append(as_samples(figures.get(name, ())))
    return samples


def shuffled(subjects: Sequence[Subject], number: int) -> Sequence[Subject]:
    """An order of its own in each round, the same in each run: nobody always comes after the same one."""
    return random.Random(number).sample(list(subjects), len(subjects))


def as_samples(figure: float | Sequence[float]) -> Sequence[float]:
    return (float(figure),) if isinstance(figure, float | int) else figure


def absent(needs: Sequence[str]) -> str:
    """What to say about modules that are not installed; nothing when all are there."""
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    return f"needs {', '.join(missing)}: pip install 'pytest-dgbudget[benchmarks]'" if missing else ""
