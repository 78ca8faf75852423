"""Runs of a suite whose tests take now more and now less, as tests that talk to an agent do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from pytest_dgbudget.rules.percentiles import percentile_ms
from pytest_dgbudget.rules.regression import RunUse, UseOfTest

_LATENCY_MS = 1200
_TYPICAL_TURN_MS = 4000
_OUTLIER_EVERY, _OUTLIER = 10, 10
WATCHED = "watched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How tests and runs differ: the standard deviations of logarithms, and the share of tests that are new in a run.

    ``shared``: a run whose turns take longer is slower to answer by the same factor; else these are independent.
    """

    tests: int = 200
    turns: Sequence[int] = (5,)
    per_turn: float = 0.3
    per_run: float = 0.1
    shared: bool = False
    new: float = 0.05


class Change(NamedTuple):
    """What a run is made worse by: the spend of all tests, their latency, the spend of the watched test alone."""

    spend: float = 1
    more_ms: float = 0
    one: float = 1

    @property
    def size(self) -> float:
        """The largest of them, as a share of what is usual."""
        return max(self.spend - 1, self.more_ms / _LATENCY_MS, self.one - 1)


NO_CHANGE = Change()


class SimulatedTest(NamedTuple):
    nodeid: str
    turns: int
    turn_ms: float


@dataclass
class Suite:
    """Its runs, one after the other. In every tenth run, one test is ten times as dear and as slow as it would be."""

    random: Random
    noise: Noise
    tests: list[SimulatedTest] = field(init=False)
    _made: int = 0
    _runs: int = 0

    def __post_init__(self) -> None:
        watched = self._new()._replace(nodeid=WATCHED)
        self.tests = [watched, *(self._new() for _ in range(self.noise.tests - 1))]

    def run(self, change: Change = NO_CHANGE) -> RunUse:
        return self.changed(self.next_run(), change)

    def next_run(self) -> Mapping[str, UseOfTest]:
        self._runs += 1
        noise = self.noise
        self.tests[1:] = [self._new() if self.random.random() < noise.new else test for test in self.tests[1:]]
        longer = self._factor(noise.per_run)
        slower = longer if noise.shared else self._factor(noise.per_run)
        used = {test.nodeid: self._use(test, longer, slower) for test in self.tests}
        if self._runs % _OUTLIER_EVERY == 0:
            nodeid = self.random.choice(self.tests).nodeid
            used[nodeid] = UseOfTest(_OUTLIER * (used[nodeid].ms or 0), _OUTLIER * (used[nodeid].latency_ms or 0))
        return used

    @staticmethod
    def changed(run: RunUse, change: Change) -> RunUse:
        """Return a run that was made worse; ``more_ms`` are of turns that take 1.2 s at the run's own pace."""
        slower = 1 + change.more_ms / _LATENCY_MS
        return {
            nodeid: UseOfTest(
                round((use.ms or 0) * change.spend * (change.one if nodeid == WATCHED else 1)),
                round((use.latency_ms or 0) * slower),
            )
            for nodeid, use in run.items()
        }

    def _new(self) -> SimulatedTest:
        self._made += 1
        turns = self.noise.turns[self._made % len(self.noise.turns)]
        return SimulatedTest(f"test_{self._made}", turns, _TYPICAL_TURN_MS * self._factor(0.5))

    def _use(self, test: SimulatedTest, longer: float, slower: float) -> UseOfTest:
        per_turn = self.noise.per_turn
        ms = longer * test.turn_ms * sum(self._factor(per_turn) for _ in range(test.turns))
        latencies_ms = [round(_LATENCY_MS * slower * self._factor(per_turn)) for _ in range(test.turns)]
        return UseOfTest(round(ms), percentile_ms(latencies_ms, 50))

    def _factor(self, spread: float) -> float:
        return math.exp(self.random.gauss(0, spread))
