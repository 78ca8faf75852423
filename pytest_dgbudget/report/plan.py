"""A plan as a document for programs, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Literal, TypedDict

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.model import Currency, ScopeName
from pytest_dgbudget.report.header import target_phrase
from pytest_dgbudget.report.short_names import shortened
from pytest_dgbudget.rules.budget_names import budget_name_with_glob
from pytest_dgbudget.rules.plan import BudgetFit, Fit, Prediction, PredictionSource, RunPlan
from pytest_dgbudget.rules.prices import price_table
from pytest_dgbudget.units import counted, format_time, format_usd, in_units, seconds, short_usd, usd

_GAP = 2
_HEADINGS = ("median", "p90", "cost", "p90 cost", "from")
_VERDICTS: dict[Fit, str] = {"no": "can't fit", "perhaps": "may not fit", "yes": "fits"}
_TO_DO: dict[str, str] = {
    "run": "raise it, or select fewer tests",
    "path": "raise it in dgbudget.toml, or select fewer of its tests",
    "window": "raise it in dgbudget.toml, select fewer tests, or wait for the next one (UTC)",
}


class PlannedTestEntry(TypedDict):
    """What one test is likely to spend. ``median`` is null without a past; ``p90`` is then all of its budget."""

    nodeid: str
    copies: int
    source: PredictionSource
    runs: int
    median_seconds: float | None
    p90_seconds: float
    median_usd: float | None
    p90_usd: float


class PlannedBudgetEntry(TypedDict):
    """One budget, in seconds or US dollars by its currency; ``counted``: it decides on the plan's verdict."""

    scope: ScopeName
    label: str
    currency: Currency
    allowed: float
    left: float
    median: float
    p90: float
    fits: Fit
    counted: bool


class PlanDocument(TypedDict):
    """Everything that a plan says; tests dearest first."""

    schema: Literal["dgbudget.plan/1"]
    target: str
    billed: bool
    header: str
    fits: Fit
    median_seconds: float
    p90_seconds: float
    median_usd: float
    p90_usd: float
    prices_as_of: str
    workers: int
    wall_seconds: float
    p90_wall_seconds: float
    budgets: list[PlannedBudgetEntry]
    tests: list[PlannedTestEntry]
    notes: list[str]


def plan_document(plan: RunPlan, run_config: RunConfig, notes: Sequence[str]) -> PlanDocument:
    """Return a plan for programs: seconds, US dollars."""
    return PlanDocument(
        schema="dgbudget.plan/1",
        target=run_config.recorded_target,
        billed=run_config.billed,
        header=target_phrase(run_config, str),
        fits=plan.fit,
        median_seconds=seconds(plan.median.ms),
        p90_seconds=seconds(plan.cautious.ms),
        median_usd=usd(plan.median.micro_usd),
        p90_usd=usd(plan.cautious.micro_usd),
        prices_as_of=price_table(run_config.prices, run_config.prices_as_of).as_of,
        workers=plan.workers,
        wall_seconds=seconds(plan.wall_ms),
        p90_wall_seconds=seconds(plan.cautious_wall_ms),
        budgets=[
            *(_budget_entry(each, is_counted=True) for each in plan.budgets),
            *(_budget_entry(each, is_counted=False) for each in plan.uncounted),
        ],
        tests=[_test_entry(each) for each in plan.predictions],
        notes=[*notes],
    )


def _test_entry(prediction: Prediction) -> PlannedTestEntry:
    median = prediction.median
    return PlannedTestEntry(
        nodeid=prediction.nodeid,
        copies=prediction.copies,
        source=prediction.source,
        runs=prediction.runs,
        median_seconds=None if median is None else seconds(median.ms),
        p90_seconds=seconds(prediction.cautious.ms),
        median_usd=None if median is None else usd(median.micro_usd),
        p90_usd=usd(prediction.cautious.micro_usd),
    )


def _budget_entry(fit: BudgetFit, *, is_counted: bool) -> PlannedBudgetEntry:
    scope = fit.scope
    return PlannedBudgetEntry(
        scope=scope.name,
        label=scope.label,
        currency=scope.currency,
        allowed=in_units(scope.allowed, scope.currency),
        left=in_units(max(0, scope.free), scope.currency),
        median=in_units(fit.median, scope.currency),
        p90=in_units(fit.cautious, scope.currency),
        fits=fit.fit,
        counted=is_counted,
    )


def plan_text(document: PlanDocument, *, width: int, color: bool, most: int | None) -> str:
    """Return the plan as a terminal shows it, with ``most`` of its tests, or all."""
    lines = [*_sums(document), *_budget_lines(document), *document["notes"]]
    table = _table(document["tests"][:most], width, color=color) if document["tests"] else ""
    left_out = len(document["tests"]) - len(document["tests"][:most])
    if left_out:
        lines.insert(0, f"and {counted(left_out, 'test')} more; -v shows all")
    return f"{_first_line(document)}\n{table}" + "".join(f"{line}\n" for line in lines)


def _first_line(document: PlanDocument) -> str:
    return f"target: {document['header']}; {counted(len(document['tests']), 'test')} may open sessions"


def _table(tests: Sequence[PlannedTestEntry], width: int, *, color: bool) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [_cells(test) for test in tests]
    width = max(width, 60)
    room = width - sum(max(map(len, column)) + _GAP for column in zip(_HEADINGS, *rows, strict=True))
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column("test", overflow="fold", ratio=1)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading == "from" else "right", no_wrap=True)
    for name, row in zip(shortened([_name(test) for test in tests], room - _GAP), rows, strict=True):
        table.add_row(*(Text(cell) for cell in (name, *row)))
    output = StringIO()
    Console(file=output, width=width, force_terminal=color, no_color=not color, highlight=False).print(table)
    return output.getvalue()


def _name(test: PlannedTestEntry) -> str:
    return f"{test['nodeid']} (x{test['copies']})" if test["copies"] > 1 else test["nodeid"]


def _cells(test: PlannedTestEntry) -> tuple[str, ...]:
    return (
        "-" if test["median_seconds"] is None else f"{test['median_seconds']:.2f}s",
        f"{test['p90_seconds']:.2f}s",
        "-" if test["median_usd"] is None else short_usd(test["median_usd"]),
        short_usd(test["p90_usd"]),
        _source(test),
    )


def _source(test: PlannedTestEntry) -> str:
    if test["source"] == "budget":
        return "its budget"
    return counted(test["runs"], f"{test['source']} run")


def _sums(document: PlanDocument) -> Iterator[str]:
    tests = document["tests"]
    if not tests:
        yield "no test that was collected asks for a session, or ever opened one"
        return
    new = sum(test["source"] == "budget" for test in tests)
    beside = f", and all of the budget of {counted(new, 'test')} without a past" if new else ""
    likely = _both(document["median_seconds"], document["median_usd"])
    yield f"likely: {likely}, the medians of {_with_past(tests, new)}"
    yield f"p90: {_both(document['p90_seconds'], document['p90_usd'])}, their 90th percentiles{beside}"
    yield (
        f"in sessions, with {counted(document['workers'], 'worker')}: {_time(document['wall_seconds'])} of wall time, "
        f"{_time(document['p90_wall_seconds'])} at p90"
    )


def _with_past(tests: Sequence[PlannedTestEntry], new: int) -> str:
    emulated = sum(test["source"] == "emulated" for test in tests)
    by_forecast = f" ({emulated} of them by the forecasts of emulated runs)" if emulated else ""
    return f"{counted(len(tests) - new, 'test')} with a past{by_forecast}"


def _budget_lines(document: PlanDocument) -> Iterator[str]:
    if not any(each["scope"] == "run" for each in document["budgets"]):
        yield "there is no run budget to hold this against: add --dg-budget=TIME or --dg-cost-budget=USD"
    for each in document["budgets"]:
        yield f"{_budget_name(each)}: {_verdict(each)}"


def _budget_name(budget: PlannedBudgetEntry) -> str:
    name = budget_name_with_glob(budget["scope"], budget["label"])
    allowed, left = (_amount(budget, budget[field]) for field in ("allowed", "left"))
    return f"{name} of {allowed}" if allowed == left else f"{name} of {allowed}, {left} left"


def _verdict(budget: PlannedBudgetEntry) -> str:
    if not budget["counted"]:
        return f"not touched by this run; live it would take {_amount(budget, budget['median'])}"
    verdict = _VERDICTS[budget["fits"]]
    if budget["fits"] == "yes":
        return f"{verdict}, with {_amount(budget, budget['left'] - budget['p90'])} to spare at p90"
    if budget["fits"] == "perhaps":
        return f"{verdict}: {_amount(budget, budget['p90'])} at p90"
    if budget["median"] > budget["left"]:
        return f"{verdict}: {_amount(budget, budget['median'])} is likely; {_TO_DO[budget['scope']]}"
    return f"{verdict}: nothing is left of it; {_TO_DO[budget['scope']]}"


def _amount(budget: PlannedBudgetEntry, amount: float) -> str:
    return _time(amount) if budget["currency"] == "time" else _dollars(amount)


def _both(in_seconds: float, in_usd: float) -> str:
    return f"{_time(in_seconds)}, {_dollars(in_usd)}"


def _time(in_seconds: float) -> str:
    return format_time(round(in_seconds * 1000))


def _dollars(in_usd: float) -> str:
    """To the cent, from one dollar on; below that to a hundredth of one."""
    step = 10_000 if in_usd >= 1 else 100
    return format_usd(round(in_usd * 1_000_000 / step) * step)
