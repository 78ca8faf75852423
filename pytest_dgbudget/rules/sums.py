"""What sums and prices say of lines that were compared one by one: of a run, or of a period. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_dgbudget.rules.comparison import Line, Terms
from pytest_dgbudget.rules.drift import Drift, drift_of
from pytest_dgbudget.rules.rates import TierRate, rates_of
from pytest_dgbudget.rules.totals import Counted, Total
from pytest_dgbudget.rules.verdicts import AGREEING, WITHOUT_DURATION


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSums:
    """``lines`` are as drift, hours and rates have them."""

    lines: tuple[Line, ...]
    drift: Drift
    rates: tuple[TierRate, ...]


def judge_sums(lines: tuple[Line, ...], in_totals: Counted, hours: Total, own_hours: Total, terms: Terms) -> JudgedSums:
    """Judge the sum and the prices of lines; those ``in_totals`` are in the ``hours``.

    ``own_hours`` are these without the time of what nobody opened, which says nothing of the other lines.
    """
    drift = drift_of(lines, terms.drift, in_totals, hours)
    rates = rates_of(_timed(lines, hours), terms)
    return JudgedSums(lines=_with_causes(lines, own_hours, drift, rates), drift=drift, rates=rates)


def _timed(lines: Iterable[Line], hours: Total) -> Iterator[Line]:
    """Yield the lines whose time is known to agree: by their row's duration, or else by the hours."""
    in_hours = hours.verdict == "reconciled"
    for line in lines:
        if (line.kind in AGREEING and line.vendor_ms is not None) or (line.kind in WITHOUT_DURATION and in_hours):
            yield line


def _with_causes(lines: tuple[Line, ...], hours: Total, drift: Drift, rates: Iterable[TierRate]) -> tuple[Line, ...]:
    """Where the hours disagree as well, a time that is unclear is a wrong one; and a price may be."""
    off = frozenset(id_ for rate in rates if rate.named for id_ in rate.off)
    disagrees = hours.verdict == "discrepancy" or (drift.of_hours and drift.verdict == "discrepancy")
    if not off and not disagrees:
        return lines
    return tuple(
        replace(line, kind="duration")
        if line.kind == "unclear" and disagrees
        else replace(line, kind="wrong-rate")
        if line.request_id in off
        else line
        for line in lines
    )
