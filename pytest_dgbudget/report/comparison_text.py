"""Two runs compared, for people: side by side, why one was dearer, and which tests differ; and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pytest_dgbudget.report.comparison_document import ComparedRun, ComparedTest, ComparisonDocument
from pytest_dgbudget.report.csv_text import Cell, csv_text
from pytest_dgbudget.report.document import RunFigures
from pytest_dgbudget.report.run_line import saved_phrase
from pytest_dgbudget.report.shown import shown_seconds, shown_usd
from pytest_dgbudget.report.shown_turns import has_latency
from pytest_dgbudget.report.spending_figures import (
    TIME_IS_COMPARED,
    SpendingFigures,
    cost_text,
    listed_reasons,
    said_of_reasons,
    signed_time,
    signed_usd,
)
from pytest_dgbudget.report.table_cells import ABOUT_ESTIMATES
from pytest_dgbudget.report.text_table import Block, TextTable, markdown_of, text_of

COLUMNS = (
    *("nodeid", "in", "before_run", "after_run"),
    *("before_sessions", "after_sessions", "before_seconds", "after_seconds", "delta_seconds"),
    *("before_cost_usd", "after_cost_usd", "delta_usd", "before_estimated", "after_estimated"),
)
_MOST_TESTS = 20
_SHOWN: Sequence[tuple[str, Callable[[ComparedRun], str]]] = (
    ("run", lambda side: side["run"]["id"]),
    ("started", lambda side: side["run"]["started_at"][:19]),
    ("target", lambda side: f"{side['run']['target']}, {'billed' if side['run']['billed'] else 'not billed'}"),
    ("verdict", lambda side: side["run"]["verdict"]),
    ("reconciliation", lambda side: side["reconciliation"]),
    ("used", lambda side: shown_seconds(side["spending"]["seconds"])),
    ("cost", lambda side: cost_text(side["spending"])),
    ("vendor", lambda side: shown_usd(side["spending"]["vendor_usd"])),
    ("at risk", lambda side: shown_seconds(side["spending"]["at_risk_seconds"])),
    ("tests", lambda side: f"{side['tests']:,}"),
    ("sessions", lambda side: f"{side['spending']['sessions']:,}"),
    ("turns", lambda side: _known(side["run"].get("turns"))),
    ("latency p50", lambda side: _latency(side["run"], "latency_p50_ms")),
    ("latency p95", lambda side: _latency(side["run"], "latency_p95_ms")),
)


def comparison_blocks(document: ComparisonDocument) -> Iterator[Block]:
    """Yield the tables and lines of a comparison."""
    before, after = document["before"], document["after"]
    rows = [(name, shown(before), shown(after)) for name, shown in _SHOWN]
    saved = [saved_phrase(side["run"]) for side in (before, after)]
    rows += [("saved by replays", saved[0] or "-", saved[1] or "-")] if any(saved) else []
    yield TextTable("two runs", ("", "before", "after"), rows)
    yield [*_why(document)]
    differing = [test for test in document["tests"] if _differs(test)]
    if differing:
        yield _tests(differing[:_MOST_TESTS])
    if (more := len(differing) - _MOST_TESTS) > 0:
        yield [f"… and {more:,} more that differ, all with --json and --format=csv"]
    if before["spending"]["estimated"] or after["spending"]["estimated"]:
        yield [ABOUT_ESTIMATES]


def comparison_csv(document: ComparisonDocument) -> str:
    """Return a line for each test, the one that differs most first."""
    runs = {"before_run": document["before"]["run"]["id"], "after_run": document["after"]["run"]["id"]}
    return csv_text(COLUMNS, ({**_cells(test), **runs} for test in document["tests"]))


def _why(document: ComparisonDocument) -> Iterator[str]:
    if document["why_not"] is not None:
        yield document["why_not"]
        return
    assert document["delta_seconds"] is not None, "what is compared has a difference"
    in_time = signed_time(document["delta_seconds"])
    if document["delta_usd"] is None:
        yield TIME_IS_COMPARED
        total = in_time
    else:
        total = f"{signed_usd(document['delta_usd'])} ({in_time})"
    if not document["reasons"]:
        yield f"no difference: {total}"
        return
    yield f"{total} in all, of which:"
    yield from (f"  {line}" for line in said_of_reasons(listed_reasons(document["reasons"])))


def _tests(tests: Sequence[ComparedTest]) -> TextTable:
    amounts = _in_money if all(test["delta_usd"] is not None for test in tests) else _in_time
    headings = ("test", "before", "after", "difference", "sessions")
    rows = [
        (
            test["nodeid"],
            *amounts(test),
            " → ".join("-" if side is None else str(side["sessions"]) for side in (test["before"], test["after"])),
        )
        for test in tests
    ]
    return TextTable("tests that differ", headings, rows)


def _in_money(test: ComparedTest) -> tuple[str, str, str]:
    """Return what the test cost before and after, and the difference."""
    delta = test["delta_usd"]
    return _cost(test["before"]), _cost(test["after"]), "-" if delta is None else signed_usd(delta)


def _in_time(test: ComparedTest) -> tuple[str, str, str]:
    """Return what the test used before and after, and the difference."""
    delta = test["delta_seconds"]
    return _used(test["before"]), _used(test["after"]), "-" if delta is None else signed_time(delta)


def _cost(figures: SpendingFigures | None) -> str:
    return "-" if figures is None else cost_text(figures)


def _used(figures: SpendingFigures | None) -> str:
    return shown_seconds(None if figures is None else figures["seconds"])


def _differs(test: ComparedTest) -> bool:
    """Where nothing is compared, that only one run has it."""
    is_in_one = test["before"] is None or test["after"] is None
    return is_in_one or bool(test["delta_usd"]) or bool(test["delta_seconds"])


def _cells(test: ComparedTest) -> dict[str, Cell]:
    before, after = test["before"], test["after"]
    return {
        "nodeid": test["nodeid"],
        "in": "both" if before and after else "before" if before else "after",
        "before_sessions": None if before is None else before["sessions"],
        "after_sessions": None if after is None else after["sessions"],
        "before_seconds": None if before is None else before["seconds"],
        "after_seconds": None if after is None else after["seconds"],
        "delta_seconds": test["delta_seconds"],
        "before_cost_usd": None if before is None else before["cost_usd"],
        "after_cost_usd": None if after is None else after["cost_usd"],
        "delta_usd": test["delta_usd"],
        "before_estimated": None if before is None else before["estimated"],
        "after_estimated": None if after is None else after["estimated"],
    }


def _latency(run: RunFigures, percentile: Literal["latency_p50_ms", "latency_p95_ms"]) -> str:
    return _known(run.get(percentile), " ms") if has_latency(run) else "-"


def _known(figure: int | None, unit: str = "") -> str:
    return "-" if figure is None else f"{figure:,}{unit}"


def comparison_text(document: ComparisonDocument, *, width: int, color: bool) -> Iterator[str]:
    """Yield the lines for a terminal."""
    return text_of(comparison_blocks(document), width)


def comparison_markdown(document: ComparisonDocument) -> str:
    """Return the same as Markdown."""
    return markdown_of(comparison_blocks(document))
