"""Which tests a table shows, the dearest first, and what the rest of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pytest_dgbudget.report.document import AttemptEntry, UsageDocument
from pytest_dgbudget.units import known_sum

_FAILURES = {"failed", "error"}


class Chosen(NamedTuple):
    """The attempts that are shown, the dearest first, and the others, by their target, the run's own first."""

    shown: list[AttemptEntry]
    rest: dict[str, list[AttemptEntry]]


def choose(document: UsageDocument, most: int | None) -> Chosen:
    """Choose the ``most`` dearest, and as many more of those that failed or overran; None: all of them.

    Dear is what costs much live, or takes long where a cost is not known. One that would be the only one left out is
    shown.
    """
    tests = by_dearness(document["tests"])
    most = len(tests) if most is None else most
    troubled = [index for index, test in enumerate(tests) if index >= most and is_troubled(test)]
    kept = {*range(most), *troubled[:most]}
    if len(tests) - len(kept) == 1:
        kept |= {*range(len(tests))}
    rest: dict[str, list[AttemptEntry]] = {document["run"]["target"]: []}
    for index, test in enumerate(tests):
        if index not in kept:
            rest.setdefault(test["target"], []).append(test)
    shown = [test for index, test in enumerate(tests) if index in kept]
    return Chosen(shown, {target: left_out for target, left_out in rest.items() if left_out})


def by_dearness(tests: Sequence[AttemptEntry]) -> list[AttemptEntry]:
    """Return the attempts, those first that would cost most live; which cost the same stay in their order."""
    knows_all = all(test["cost_usd"] is not None for test in tests)
    return sorted(tests, key=lambda test: (_live_usd(test) if knows_all else 0.0, live_seconds(test)), reverse=True)


def live_seconds(test: AttemptEntry) -> float:
    """Return what the attempt would take live; of what is not known, nothing."""
    return max(test["used_seconds"] or 0.0, test["forecast_seconds"] or 0.0)


def _live_usd(test: AttemptEntry) -> float:
    return max(test["cost_usd"] or 0.0, test["forecast_usd"] or 0.0)


def is_troubled(test: AttemptEntry) -> bool:
    """Return whether it failed, or a budget was overrun."""
    return test["verdict"] == "overrun" or test["outcome"] in _FAILURES


def summed_seconds(figures: Sequence[float | None]) -> float | None:
    """Return a sum of seconds without what floats add to it; None when a part is unknown."""
    total_ms = known_sum(None if each is None else round(each * 1000) for each in figures)
    return None if total_ms is None else total_ms / 1000


def summed_usd(figures: Sequence[float | None]) -> float | None:
    """Return a sum of dollars without what floats add to it; None when a part is unknown."""
    total = known_sum(None if each is None else round(each * 1_000_000) for each in figures)
    return None if total is None else total / 1_000_000
