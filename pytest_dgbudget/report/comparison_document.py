"""Two runs compared: their figures side by side, and why one was dearer than the other. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypedDict

from pytest_dgbudget.report.document import AttemptEntry, RunFigures, SessionFigures, UsageDocument
from pytest_dgbudget.report.spending_figures import (
    ReasonFigures,
    Side,
    SpendingFigures,
    reasons_with_rest,
    spending_figures,
)
from pytest_dgbudget.rules.spending import Spent, total
from pytest_dgbudget.rules.verdicts import Verdict
from pytest_dgbudget.units import seconds, usd

_EMULATED = "emulator"
_OTHER_TARGET = (
    "one run is of target {}, the other of target {}: what was billed and what was not are not held against each other"
)


class ComparedRun(TypedDict):
    """``tests`` counts those that dialled where the run did; ``spending`` is theirs."""

    run: RunFigures
    reconciliation: Verdict
    tests: int
    spending: SpendingFigures


class ComparedTest(TypedDict):
    """A test, all its attempts together; ``before`` or ``after`` is None where the run did not have it.

    The differences are None where the runs are not compared, ``delta_usd`` also where a cost is not known.
    """

    nodeid: str
    before: SpendingFigures | None
    after: SpendingFigures | None
    delta_seconds: float | None
    delta_usd: float | None


class ComparisonDocument(TypedDict):
    """``why_not`` is why the runs are not compared; None where they are. ``reasons`` add up to the differences.

    ``delta_usd`` is None where a cost is not known. ``tests``: the one that differs most comes first.
    """

    schema: Literal["dgbudget.comparison/1"]
    before: ComparedRun
    after: ComparedRun
    why_not: str | None
    delta_seconds: float | None
    delta_usd: float | None
    reasons: list[ReasonFigures]
    tests: list[ComparedTest]


def compare(before: UsageDocument, after: UsageDocument) -> ComparisonDocument:
    """Return what is different in a run, ``after``, from an earlier one."""
    was, now = _side(before), _side(after)
    targets = before["run"]["target"], after["run"]["target"]
    is_compared = targets[0] == targets[1]
    in_money = is_compared and was.is_priced and now.is_priced
    tests = [_test(nodeid, was, now, is_compared) for nodeid in {**was.tests, **now.tests}]
    return {
        "schema": "dgbudget.comparison/1",
        "before": _run(before, was),
        "after": _run(after, now),
        "why_not": None if is_compared else _OTHER_TARGET.format(*targets),
        "delta_seconds": seconds(now.of_all().ms - was.of_all().ms) if is_compared else None,
        "delta_usd": usd(now.of_all().micro_usd - was.of_all().micro_usd) if in_money else None,
        "reasons": reasons_with_rest(was, now) if is_compared else [],
        "tests": sorted(tests, key=_most_different),
    }


def spending_of_tests(document: UsageDocument) -> dict[str, Spent]:
    """Return what each test spent where the run dialled, all its attempts together.

    Emulated ones count as what they would have been live. Of an attempt whose cost is not known, what is known of its
    sessions counts.
    """
    target = document["run"]["target"]
    attempts: dict[str, list[AttemptEntry]] = {}
    sessions: dict[str, list[SessionFigures]] = {}
    for attempt in document["tests"]:
        if attempt["target"] == target:
            attempts.setdefault(attempt["nodeid"], []).append(attempt)
    for session in document["sessions"]:
        if session["target"] == target:
            sessions.setdefault(session["nodeid"], []).append(session)
    return {nodeid: _spending(of_test, sessions.get(nodeid, [])) for nodeid, of_test in attempts.items()}


def _spending(attempts: list[AttemptEntry], sessions: list[SessionFigures]) -> Spent:
    costs = [each["cost_usd"] for each in attempts]
    micro_usd = sum(map(_micro_usd, costs))
    if None in costs:
        micro_usd = max(micro_usd, sum(_micro_usd(each["cost_usd"]) for each in sessions))
    emulated = [each for each in sessions if each["target"] == _EMULATED]
    of_vendor = [each["vendor_usd"] for each in attempts if each["sessions"]]
    return Spent(
        sessions=sum(each["sessions"] for each in attempts),
        metered=sum(each["seconds"] is not None for each in sessions),
        ms=sum(_ms(each["used_seconds"]) for each in attempts) + sum(map(_skipped_ms, emulated)),
        micro_usd=micro_usd + sum(map(_skipped_micro_usd, emulated)),
        unpriced=costs.count(None),
        unseen_ms=sum(_ms(each["at_risk_seconds"]) for each in attempts),
        unseen_micro_usd=sum(_micro_usd(each["at_risk_usd"]) for each in attempts),
        vendor_micro_usd=sum(map(_micro_usd, of_vendor)),
        unstated=of_vendor.count(None),
        estimated=sum(bool(each.get("estimated")) for each in attempts),
    )


def _skipped_ms(session: SessionFigures) -> int:
    return _beyond(_ms, session["seconds"], session["forecast_seconds"])


def _skipped_micro_usd(session: SessionFigures) -> int:
    return _beyond(_micro_usd, session["cost_usd"], session["forecast_usd"])


def _beyond(in_units: Callable[[float], int], used: float | None, live: float | None) -> int:
    return 0 if used is None or live is None else in_units(live) - in_units(used)


def _side(document: UsageDocument) -> Side:
    tests = spending_of_tests(document)
    return Side(tests, _rest(document["run"], total(tests.values())))


def _rest(run: RunFigures, listed: Spent) -> Spent:
    """Return what a run was charged beside its tests: what of it is in an archive."""
    if run["target"] == _EMULATED:
        return Spent()
    cost = run["cost_usd"]
    return Spent(
        sessions=run["sessions"] - listed.sessions,
        ms=_ms(run["used_seconds"]) - listed.ms,
        micro_usd=0 if cost is None else _micro_usd(cost) - listed.micro_usd,
        unpriced=int(cost is None),
    )


def _run(document: UsageDocument, side: Side) -> ComparedRun:
    return {
        "run": document["run"],
        "reconciliation": document["reconciliation"]["verdict"],
        "tests": len(side.tests),
        "spending": spending_figures(side.of_all()),
    }


def _test(nodeid: str, before: Side, after: Side, is_compared: bool) -> ComparedTest:
    was, now = before.tests.get(nodeid), after.tests.get(nodeid)
    difference = _difference(was or Spent(), now or Spent()) if is_compared else (None, None)
    return {
        "nodeid": nodeid,
        "before": None if was is None else spending_figures(was),
        "after": None if now is None else spending_figures(now),
        "delta_seconds": difference[0],
        "delta_usd": difference[1],
    }


def _difference(was: Spent, now: Spent) -> tuple[float, float | None]:
    is_priced = not was.unpriced and not now.unpriced
    return seconds(now.ms - was.ms), usd(now.micro_usd - was.micro_usd) if is_priced else None


def _most_different(test: ComparedTest) -> tuple[float, float, str]:
    return -abs(test["delta_usd"] or 0.0), -abs(test["delta_seconds"] or 0.0), test["nodeid"]


def _ms(in_seconds: float | None) -> int:
    return 0 if in_seconds is None else round(1000 * in_seconds)


def _micro_usd(in_usd: float | None) -> int:
    return 0 if in_usd is None else round(1_000_000 * in_usd)
