"""How often ``rules.regression`` alarms falsely, and how soon it finds what is worse.

``python -m benchmarks.regression``; simulated, so that the figures are the same on any machine. With names of tables,
it makes these alone. It draws ``docs/regression.svg`` anew as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import or_
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.power_curve import power_curve
from benchmarks.simulated_runs import Change, Noise, Suite
from pytest_dgbudget.rules.regression import Regression, RunUse, regression_of

# As a suite goes on: what alarmed falsely once may do so again with the next run.
_RUNS_OF_A_SUITE = 40

Finds = Callable[[Regression], bool]


def by_spend(found: Regression) -> bool:
    return found.spend is not None and found.spend.regressed


def by_latency(found: Regression) -> bool:
    return found.latency is not None and found.latency.regressed


def by_one_test(found: Regression) -> bool:
    return bool(found.dearer)


def by_any(found: Regression) -> bool:
    return found.is_found


FINDS: Mapping[str, Finds] = {"spend": by_spend, "latency": by_latency, "one test": by_one_test, "any": by_any}


def false_alarms(noise: Noise, earlier: int, runs: int) -> dict[str, float]:
    """Return in which share of runs each of them alarms although nothing has changed."""
    found = [result for seed in range(runs // _RUNS_OF_A_SUITE) for result in _unchanged(seed, noise, earlier)]
    return {name: sum(map(finds, found)) / len(found) for name, finds in FINDS.items()}


def _unchanged(seed: int, noise: Noise, earlier: int) -> Iterator[Regression]:
    suite = Suite(Random(seed), noise)
    past = [suite.run() for _ in range(earlier)]
    for _ in range(_RUNS_OF_A_SUITE):
        now = suite.run()
        yield regression_of(now, past[-earlier:])
        past.append(now)


def usual_limits(noise: Noise, earlier: int, suites: int = 30) -> tuple[float, float]:
    """Return the limit of spend and that of latency, in the middle of so many suites."""
    found = [next(_unchanged(seed, noise, earlier)) for seed in range(suites)]
    figures = [each.spend for each in found], [each.latency for each in found]
    spend, latency = (median(figure.limit for figure in each if figure is not None) for each in figures)
    return spend, latency


def found_within(
    noise: Noise, earlier: int, changes: Sequence[tuple[Change, Finds]], suites: int, runs: int = 3
) -> list[list[float]]:
    """Return for each change in which share of suites it is found within one run, within two, and so on."""
    found = [_found(Random(seed), noise, earlier, changes, runs) for seed in range(suites)]
    return [[sum(row[change][run] for row in found) / suites for run in range(runs)] for change in range(len(changes))]


def _found(
    random: Random, noise: Noise, earlier: int, changes: Sequence[tuple[Change, Finds]], runs: int
) -> list[list[bool]]:
    suite = Suite(random, noise)
    past = [suite.run() for _ in range(earlier)]
    coming = [suite.next_run() for _ in range(runs)]
    return [[*accumulate(_judged(past, coming, *change), or_)] for change in changes]


def _judged(past: Sequence[RunUse], coming: Sequence[RunUse], change: Change, finds: Finds) -> Iterator[bool]:
    worse = [Suite.changed(run, change) for run in coming]
    for number, now in enumerate(worse):
        yield finds(regression_of(now, [*past, *worse[:number]]))


USUAL = Noise()
NOISES: Mapping[str, tuple[Noise, int]] = {
    "200 tests, 10 earlier runs": (USUAL, 10),
    "the same, spend and latency by one factor per run": (replace(USUAL, shared=True), 10),
    "5 earlier runs": (USUAL, 5),
    "20 earlier runs": (USUAL, 20),
    "50 tests": (replace(USUAL, tests=50), 10),
    "10 tests": (replace(USUAL, tests=10), 10),
    "3 tests": (replace(USUAL, tests=3), 10),
    "1,000 tests": (replace(USUAL, tests=1000), 10),
    "tests of 1, 2, 3, 5, 8 and 12 turns": (replace(USUAL, turns=(1, 2, 3, 5, 8, 12)), 10),
    "runs differ by 0.05": (replace(USUAL, per_run=0.05), 10),
    "runs differ by 0.15": (replace(USUAL, per_run=0.15), 10),
    "runs differ by 0.2": (replace(USUAL, per_run=0.2), 10),
}
CHANGES: Mapping[str, tuple[Change, Finds]] = {
    "spend +15 %": (Change(spend=1.15), by_spend),
    "spend +20 %": (Change(spend=1.2), by_spend),
    "spend +30 %": (Change(spend=1.3), by_spend),
    "spend +50 %": (Change(spend=1.5), by_spend),
    "latency +150 ms": (Change(more_ms=150), by_latency),
    "latency +300 ms": (Change(more_ms=300), by_latency),
    "latency +600 ms": (Change(more_ms=600), by_latency),
    "one test x 1.5": (Change(one=1.5), by_one_test),
    "one test x 2": (Change(one=2), by_one_test),
}
PASTS = (5, 10, 20)
TURNS = (1, 2, 3, 5, 10)
PICTURE = Path(__file__).parents[1] / "docs/regression.svg"
FoundOfChanges = Mapping[str, Sequence[float]]
"""By a change's name, in which share of suites it is found within one run, within two, and so on."""


def _row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def print_false_alarms(runs: int, suites: int) -> None:
    print(f"\nFalse alarms, {runs} runs each\n")
    head = ("suite", *FINDS, "usual limit of spend", "of latency")
    _row(*head)
    _row(*["---"] * len(head))
    for name, (noise, earlier) in NOISES.items():
        alarms, limits = false_alarms(noise, earlier, runs), usual_limits(noise, earlier)
        _row(name, *map(_percent, alarms.values()), *(f"{limit:.0%}" for limit in limits))


def print_found(runs: int, suites: int) -> None:
    print(f"\nFound within one, two and three runs, {suites} suites each\n")
    _row("change", *(f"{earlier} earlier runs" for earlier in PASTS))
    _row(*["---"] * (1 + len(PASTS)))
    found = {earlier: _found_of_changes(earlier, suites) for earlier in PASTS}
    for name in CHANGES:
        _row(name, *(" / ".join(f"{share:.0%}" for share in each[name]) for each in found.values()))
    PICTURE.write_text(picture(found), encoding="utf-8")


def _found_of_changes(earlier: int, suites: int) -> FoundOfChanges:
    return dict(zip(CHANGES, found_within(USUAL, earlier, [*CHANGES.values()], suites), strict=True))


def picture(found: Mapping[int, FoundOfChanges]) -> str:
    """Return a picture of what is found within two runs, by how many earlier ones there are."""
    figures = {"Spend of all tests": by_spend, "Median turn latency": by_latency}
    return power_curve(
        {
            title: {
                f"{earlier} earlier runs": [
                    (change.size, shares[name][1]) for name, (change, by) in CHANGES.items() if by is finds
                ]
                for earlier, shares in found.items()
            }
            for title, finds in figures.items()
        },
        wanted=0.8,
    )


def print_one_test(runs: int, suites: int) -> None:
    print(f"\nOne test x 2, found within three runs by its turns, {suites} suites each, ten earlier runs\n")
    _row("turns", "found")
    _row("---", "---")
    for turns in TURNS:
        noise = replace(USUAL, turns=(turns,))
        _row(turns, _percent(found_within(noise, 10, [CHANGES["one test x 2"]], suites)[0][-1]))


TABLES: Mapping[str, Callable[[int, int], None]] = {
    "false-alarms": print_false_alarms,
    "found": print_found,
    "one-test": print_one_test,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--runs", type=int, default=2000, help="runs of each suite for false alarms (default: 2000)")
    parser.add_argument("--suites", type=int, default=200, help="suites in which a change is made (default: 200)")
    given = parser.parse_args()
    for name in given.tables or TABLES:
        TABLES[name](given.runs, given.suites)


if __name__ == "__main__":
    main()
