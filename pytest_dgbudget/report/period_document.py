"""What all runs of a period have spent, by where they dialled: billed and emulated time are never added. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, TypedDict, TypeVar

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.period_sums import ReplaySums, RunDay, TargetAndTest, TargetAndTier
from pytest_dgbudget.model import Currency, Period
from pytest_dgbudget.report.document import RunVerdict
from pytest_dgbudget.report.spending_figures import (
    ReasonFigures,
    Side,
    SpendingFigures,
    reasons_with_rest,
    spending_figures,
)
from pytest_dgbudget.rules.spending import Spent, amount_of, total
from pytest_dgbudget.rules.verdicts import Verdict
from pytest_dgbudget.units import in_units, seconds, usd

K = TypeVar("K", bound=Hashable)

_BILLED = "live"


class PeriodSpending(NamedTuple):
    """What there is of a period from ``since`` until ``before``: ``archived`` beside ``runs``, the rest of these.

    ``set_aside``: of each run that still goes on, by its target and id, how many milliseconds its open sessions have
    set aside.
    """

    since: datetime
    before: datetime
    runs: Mapping[RunDay, Spent]
    archived: Mapping[RunDay, Spent]
    tests: Mapping[TargetAndTest, Spent]
    tiers: Mapping[TargetAndTier, Spent]
    set_aside: Mapping[tuple[str, str], int] = MappingProxyType({})
    replays: ReplaySums = ReplaySums()


class RunJudgement(NamedTuple):
    """What became of a run; None: it is in an archive."""

    verdict: RunVerdict | None
    reconciliation: Verdict | None


class UsedWindow(NamedTuple):
    """A window of dgbudget.toml, and what is used of it today, in milliseconds or micro-dollars."""

    period: Period
    currency: Currency
    used: int
    allowed: int


class DayFigures(SpendingFigures):
    """A day (UTC) on which something was spent."""

    day: str


class TierFigures(SpendingFigures):
    """What was metered of a tier; None where it is not known."""

    tier: str | None


class PeriodTestFigures(SpendingFigures):
    """``share``: of all tests' cost, or of their time where no cost is known."""

    nodeid: str
    share: float | None


class PeriodRunFigures(SpendingFigures):
    """A run on its days in the period; ``share`` as that of tests. ``archived``: its details are in an archive."""

    id: str
    day: str
    share: float | None
    archived: bool
    verdict: RunVerdict | None
    reconciliation: Verdict | None


class PreviousFigures(TypedDict):
    """The period of the same length before it. ``delta_usd`` is None where a cost is not known.

    ``change`` is a share of what it was, 0.3 for 30 % more; None where it was nothing. ``reasons`` are of what is in
    the ledger; what is in archives is the rest.
    """

    since: str
    runs: int
    spending: SpendingFigures
    delta_seconds: float
    delta_usd: float | None
    change: float | None
    reasons: list[ReasonFigures]


class TargetFigures(TypedDict):
    """All that was dialled at one target. ``tests`` and ``runs``: the dearest, of so many in all.

    ``under_way`` counts the runs that still go on; ``set_aside_seconds`` of the time is of their open sessions.
    """

    target: str
    billed: bool
    spending: SpendingFigures
    archived: SpendingFigures | None
    archived_runs: int
    previous: PreviousFigures
    days: list[DayFigures]
    tiers: list[TierFigures]
    tests: list[PeriodTestFigures]
    tests_in_all: int
    runs: list[PeriodRunFigures]
    runs_in_all: int
    under_way: int
    set_aside_seconds: float


class WindowFigures(TypedDict):
    """What all billed runs have used today of a window of dgbudget.toml, in seconds or US dollars."""

    period: Period
    currency: Currency
    used: float
    allowed: float


class ReplaysFigures(TypedDict):
    """How many sessions were replayed, of so many runs, and what that saved: what they would have used live."""

    runs: int
    sessions: int
    saved_seconds: float
    saved_usd: float


class PeriodDocument(TypedDict):
    """``before`` is the first instant that is not in the period. What is billed comes first.

    ``replays`` are in none of the ``targets``, whichever target their runs had.
    """

    schema: Literal["dgbudget.period/1"]
    since: str
    before: str
    targets: list[TargetFigures]
    replays: ReplaysFigures
    windows: list[WindowFigures]


class _OfTarget(NamedTuple):
    """A period's spending at one target, by run (``archived`` beside it), day, test and tier."""

    runs: dict[str, Spent]
    archived: dict[str, Spent]
    days: dict[str, Spent]
    tests: dict[str, Spent]
    tiers: dict[str | None, Spent]
    first_days: dict[str, str]
    set_aside: dict[str, int]

    def of_all(self) -> Spent:
        return total(self.days.values())

    def of_run(self, run: str) -> Spent:
        return total([self.runs.get(run, Spent()), self.archived.get(run, Spent())])

    def dearest_runs(self, most: int) -> list[str]:
        return _dearest({run: self.of_run(run) for run in self.first_days})[:most]


def dearest_runs(period: PeriodSpending, most: int) -> list[str]:
    """Return the runs that a document of this period lists and of which something is left in the ledger."""
    of_targets = [_of_target(period, target) for target in _targets(period)]
    listed = [run for each in of_targets for run in each.dearest_runs(most) if run in each.runs]
    return [*dict.fromkeys(listed)]


def period_document(
    period: PeriodSpending,
    previous: PeriodSpending,
    judgements: Mapping[str, RunJudgement],
    windows: Iterable[UsedWindow],
    *,
    most: int,
) -> PeriodDocument:
    """Return the document of a period; ``previous`` is that before it, ``judgements`` are of ``dearest_runs``.

    Of each target the ``most`` dearest tests and runs are listed.
    """
    targets = [*dict.fromkeys([*_targets(period), *_targets(previous)])]
    return {
        "schema": "dgbudget.period/1",
        "since": write_instant(period.since),
        "before": write_instant(period.before),
        "targets": [
            _target(target, _of_target(period, target), _previous(period, previous, target), judgements, most)
            for target in sorted(targets, key=lambda target: (target != _BILLED, target))
        ],
        "replays": {
            "runs": period.replays.runs,
            "sessions": period.replays.sessions,
            "saved_seconds": seconds(period.replays.ms),
            "saved_usd": usd(period.replays.micro_usd),
        },
        "windows": [_window(window) for window in windows],
    }


def _targets(period: PeriodSpending) -> list[str]:
    return [*dict.fromkeys(key.target for key in (*period.runs, *period.archived))]


def _of_target(period: PeriodSpending, target: str) -> _OfTarget:
    runs = {key: spent for key, spent in period.runs.items() if key.target == target}
    archived = {key: spent for key, spent in period.archived.items() if key.target == target}
    both = [*runs.items(), *archived.items()]
    return _OfTarget(
        runs=_summed((key.run, spent) for key, spent in runs.items()),
        archived=_summed((key.run, spent) for key, spent in archived.items()),
        days=_summed((key.day, spent) for key, spent in sorted(both)),
        tests={key.nodeid: spent for key, spent in period.tests.items() if key.target == target},
        tiers={key.tier: spent for key, spent in period.tiers.items() if key.target == target},
        first_days={key.run: key.day for key, _ in sorted(both, reverse=True)},
        set_aside={run: ms for (of, run), ms in period.set_aside.items() if of == target},
    )


def _summed(spendings: Iterable[tuple[K, Spent]]) -> dict[K, Spent]:
    sums: dict[K, Spent] = {}
    for key, spending in spendings:
        sums[key] = total([sums[key], spending]) if key in sums else spending
    return sums


def _target(
    target: str, spent: _OfTarget, previous: PreviousFigures, judgements: Mapping[str, RunJudgement], most: int
) -> TargetFigures:
    runs, of_all = spent.dearest_runs(most), spent.of_all()
    return {
        "target": target,
        "billed": target == _BILLED,
        "spending": spending_figures(of_all),
        "archived": spending_figures(total(spent.archived.values())) if spent.archived else None,
        "archived_runs": len(spent.archived),
        "previous": previous,
        "days": [{"day": day, **spending_figures(each)} for day, each in spent.days.items()],
        "tiers": [{"tier": tier, **spending_figures(spent.tiers[tier])} for tier in _dearest(spent.tiers)],
        "tests": [
            {"nodeid": nodeid, "share": _share(spent.tests[nodeid], of_all), **spending_figures(spent.tests[nodeid])}
            for nodeid in _dearest(spent.tests)[:most]
        ],
        "tests_in_all": len(spent.tests),
        "runs": [_run(run, spent, of_all, judgements.get(run, _ARCHIVED)) for run in runs],
        "runs_in_all": len(spent.first_days),
        "under_way": len(spent.set_aside),
        "set_aside_seconds": seconds(sum(spent.set_aside.values())),
    }


def _run(run: str, spent: _OfTarget, of_all: Spent, judgement: RunJudgement) -> PeriodRunFigures:
    spending = spent.of_run(run)
    return {
        "id": run,
        "day": spent.first_days[run],
        "share": _share(spending, of_all),
        "archived": run in spent.archived,
        "verdict": judgement.verdict,
        "reconciliation": judgement.reconciliation,
        **spending_figures(spending),
    }


def _previous(period: PeriodSpending, previous: PeriodSpending, target: str) -> PreviousFigures:
    after, before = _of_target(period, target), _of_target(previous, target)
    now, was = after.of_all(), before.of_all()
    in_money = not now.unpriced and not was.unpriced
    return {
        "since": write_instant(previous.since),
        "runs": len(before.first_days),
        "spending": spending_figures(was),
        "delta_seconds": seconds(now.ms - was.ms),
        "delta_usd": usd(now.micro_usd - was.micro_usd) if in_money else None,
        "change": _change(was, now, "money" if in_money else "time"),
        "reasons": reasons_with_rest(
            Side(before.tests, total(before.archived.values())),
            Side(after.tests, total(after.archived.values())),
        ),
    }


def _change(before: Spent, after: Spent, currency: Currency) -> float | None:
    was = amount_of(before, currency)
    return round(amount_of(after, currency) / was - 1, 4) if was else None


def _share(spending: Spent, of_all: Spent) -> float | None:
    currency: Currency = "money" if of_all.micro_usd else "time"
    whole = amount_of(of_all, currency)
    return round(amount_of(spending, currency) / whole, 4) if whole else None


def _dearest(spendings: Mapping[K, Spent]) -> list[K]:
    """Return whose the spendings are, the dearest first; where that is the same, the longest."""
    return sorted(spendings, key=lambda each: (-spendings[each].micro_usd, -spendings[each].ms, str(each)))


def _window(window: UsedWindow) -> WindowFigures:
    return {
        "period": window.period,
        "currency": window.currency,
        "used": in_units(window.used, window.currency),
        "allowed": in_units(window.allowed, window.currency),
    }


_ARCHIVED = RunJudgement(None, None)
