"""What stands in the columns of the table of tests: the cells of one attempt, and those of several together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pytest_dgbudget.report.dearest import is_troubled, live_seconds, summed_seconds, summed_usd
from pytest_dgbudget.report.document import AttemptEntry, UsageDocument
from pytest_dgbudget.report.overrun_effect import excuse_of
from pytest_dgbudget.report.run_line import differs_live, exceeds_live
from pytest_dgbudget.report.shown import ESTIMATE, exact_usd, shown_seconds, shown_usd
from pytest_dgbudget.report.shown_turns import has_latency, marked_turns

Heading = Literal[
    "used", "live", "saved", "budget", "cost", "p50/p95", "vendor's p50/p95", "waited", "sessions", "verdict"
]
Cells = dict[Heading, str]

VENDOR = "vendor "
ABOUT_ESTIMATES = f"{ESTIMATE} is an estimate, the highest that it may be"
_WAITED_FROM = 1  # seconds
_MARK = "*"


def cells_of(test: AttemptEntry, document: UsageDocument) -> Cells:
    """Return what is shown of one attempt; a cell is empty where its column would say nothing."""
    return {
        "used": shown_seconds(test["used_seconds"]),
        "live": shown_seconds(test["forecast_seconds"]) if differs_live(test) else "",
        "saved": shown_seconds(test.get("saved_seconds"), unknown=""),
        "budget": _budget(test),
        "cost": _cost(test, document),
        "p50/p95": _latency(test),
        "vendor's p50/p95": _latency_of_vendor(test),
        "waited": _waited(test["waited_seconds"]),
        "sessions": str(test["sessions"]),
        "verdict": _verdict(test),
    }


def cells_of_rest(tests: Sequence[AttemptEntry], document: UsageDocument) -> Cells:
    """Return what several attempts come to together."""
    saved = [test.get("saved_seconds") for test in tests if test.get("replayed")]
    return {
        "used": shown_seconds(summed_seconds([test["used_seconds"] for test in tests])),
        "live": shown_seconds(summed_seconds(list(map(live_seconds, tests)))) if any(map(differs_live, tests)) else "",
        "saved": shown_seconds(summed_seconds(saved), unknown="") if saved else "",
        "budget": "",
        "cost": _cost_of_all(tests, document),
        "p50/p95": "",
        "vendor's p50/p95": "",
        "waited": _waited(sum(test["waited_seconds"] for test in tests)),
        "sessions": str(sum(test["sessions"] for test in tests)),
        "verdict": _verdict_of_all(tests),
    }


def is_of_vendor(test: AttemptEntry, document: UsageDocument) -> bool:
    """Return whether the cost that is shown is the statement's; reports of earlier versions lack it."""
    return test.get("vendor_usd") is not None and document["reconciliation"]["verdict"] == "reconciled"


def cost_line(document: UsageDocument) -> str | None:
    """Return one line on the marks of the costs in the table; None where none is marked."""
    of_vendor = [is_of_vendor(test, document) for test in document["tests"]]
    estimated = any(
        test.get("estimated") and not stated for test, stated in zip(document["tests"], of_vendor, strict=True)
    )
    said = [ABOUT_ESTIMATES] if estimated else []
    said += ["vendor is what the statement has"] if any(of_vendor) else []
    return f"cost: {'; '.join(said)}" if said else None


def latency_line(document: UsageDocument) -> str | None:
    """Return one line on the marks of the latencies in the table; None where none is marked."""
    marked = marked_turns(test for test in document["tests"] if _latency(test))
    return f"p50/p95: * has marked turns ({', '.join(marked)})" if marked else None


def _budget(test: AttemptEntry) -> str:
    """Return what was left of the test's budgets for it: in time, in money, or in both."""
    of_money = test.get("cost_budget_usd")  # which reports of earlier versions lack
    if of_money is None:
        return shown_seconds(test["budget_seconds"])
    of_time = [] if test["budget_seconds"] is None else [shown_seconds(test["budget_seconds"])]
    return ", ".join([*of_time, exact_usd(of_money)])


def _cost(test: AttemptEntry, document: UsageDocument) -> str:
    """Return what a test cost: by the statement, once that agrees, else by our prices, marked where it is estimated."""
    if is_of_vendor(test, document):
        return f"{VENDOR}{shown_usd(test['vendor_usd'])}"
    return f"{ESTIMATE if test.get('estimated') else ''}{shown_usd(test['cost_usd'])}"


def _cost_of_all(tests: Sequence[AttemptEntry], document: UsageDocument) -> str:
    """Return the sum by our prices: the statement may lack some of them."""
    mark = ESTIMATE if any(test.get("estimated") for test in tests) else ""
    return f"{mark}{shown_usd(summed_usd([test['cost_usd'] for test in tests]))}"


def _latency(test: AttemptEntry) -> str:
    """Return the percentiles of the test's turns, marked where turns are; nothing where these say nothing."""
    if not test["turns"] or not has_latency(test):
        return ""
    mark = _MARK if marked_turns([test]) else ""
    return _percentiles(test["latency_p50_ms"], test["latency_p95_ms"]) + mark


def _latency_of_vendor(test: AttemptEntry) -> str:
    reports = test.get("vendor_latency")
    return "" if not reports or not reports["reports"] else _percentiles(reports["p50_ms"], reports["p95_ms"])


def _percentiles(p50_ms: int | None, p95_ms: int | None) -> str:
    if p50_ms is None and p95_ms is None:
        return "-"
    return "/".join("-" if each is None else f"{each / 1000:.2f}" for each in (p50_ms, p95_ms)) + "s"


def _waited(seconds: float) -> str:
    return shown_seconds(seconds) if seconds >= _WAITED_FROM else ""


def _verdict(test: AttemptEntry) -> str:
    if test["verdict"] == "within":
        return "within; live over budget" if exceeds_live(test) else "within"
    if (excuse := excuse_of(test)) is not None:
        return f"overrun, {excuse}"
    how = "cut" if test["cut"] else "exceeded" if test["exceeded"] else "refused"
    return f"overrun, {how}"


def _verdict_of_all(tests: Sequence[AttemptEntry]) -> str:
    overran = sum(test["verdict"] == "overrun" for test in tests)
    failed = sum(is_troubled(test) for test in tests) - overran
    return ", ".join(f"{count} {what}" for count, what in ((overran, "overran"), (failed, "failed")) if count)
