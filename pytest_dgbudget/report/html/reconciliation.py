"""The reconciliation: its verdict, each discrepancy in words, sums, drift and rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.elements import Child, Markup, element, name_of
from pytest_dgbudget.report.html.parts import (
    Cell,
    Column,
    Row,
    badge,
    dash,
    folded,
    listed,
    muted,
    named,
    paragraph,
    section,
    table,
    tone_of,
)
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.merged_reconciliation import merged_sentences
from pytest_dgbudget.report.reconciliation import verdict_line
from pytest_dgbudget.report.reconciliation_figures import (
    DollarsFigures,
    DriftFigures,
    HoursFigures,
    LineFigures,
    RateFigures,
    ReconciliationFigures,
    TotalFigures,
)
from pytest_dgbudget.rules.verdicts import AGREEING, VERDICT_OF
from pytest_dgbudget.rules.wording import DRIFT, MEANING
from pytest_dgbudget.units import counted

_LINES = (
    Column("Request"),
    Column("Test"),
    Column("Class"),
    Column("Metered", True, "By the gateway"),
    Column("Statement", True, "The duration in the vendor's statement"),
    Column("Difference", True, "How much more the statement has"),
    Column("Dollars", True, "In the vendor's statement"),
)
_SUMS = (Column("Sum"), Column("Ours", True), Column("Statement", True), Column("Verdict"), Column("Why"))
_RATES = (
    Column("Tier"),
    Column("Sessions", True),
    Column("A minute, by the statement", True),
    Column("Expected", True),
    Column("Verdict"),
)


def reconciliation_section(document: UsageDocument) -> Markup:
    """Return the section; without a comparison it says that there was none."""
    reconciliation = document["reconciliation"]
    line = verdict_line(document)
    if line is None:
        said = "The vendor's statement was not read (--dg-reconcile=off)."
        return section("reconciliation", "Reconciliation", paragraph(said))
    return section(
        "reconciliation",
        "Reconciliation",
        paragraph(badge(tone_of(reconciliation["verdict"]), reconciliation["verdict"]), f"{_after_verdict(line)}."),
        listed(map(sentence, merged_sentences(document))),
        *_sums(reconciliation["totals"]),
        *_lines(reconciliation["lines"]),
        muted(*_how(reconciliation)),
    )


def _after_verdict(line: str) -> str:
    """Return what a terminal's line has after the verdict, if that is not all."""
    return line.partition("; ")[2] and f" {line.partition('; ')[2]}"


def _how(reconciliation: ReconciliationFigures) -> Iterator[str]:
    if (checked_at := reconciliation["checked_at"]) is not None:
        yield f"The statement was read at {figures.instant(checked_at)}"
        yield f" (project {reconciliation['project']}). " if reconciliation["project"] is not None else ". "
    if (tolerance := reconciliation["tolerance"]) is not None:
        allowed = f"{figures.time(tolerance['seconds'])} or {tolerance['share']:.0%}"
        yield f"The two figures of a session may be {allowed} apart, whichever is larger (--dg-tolerance). "
    lag = reconciliation["lag"]
    if lag is not None and lag["settled_seconds"] is not None:
        yield f"{figures.time(lag['settled_seconds'])} after the last session the statement lacked nothing."


def _lines(lines: Sequence[LineFigures]) -> Iterator[Markup]:
    apart = [line for line in lines if line["class"] not in AGREEING]
    if apart:
        yield table("apart", "Requests that do not agree", _LINES, [_line(line) for line in apart])
    if len(apart) < len(lines):
        made = table("lines", "All requests", _LINES, [_line(line) for line in lines])
        yield folded(f"All {counted(len(lines), 'request')} that were compared", made)


def _line(line: LineFigures) -> Row:
    request, test, delta = line["request_id"], line["nodeid"], line["delta_seconds"]
    return Row(
        (
            Cell("without an id" if request is None else name_of(request)),
            Cell("not ours" if test is None else named(test)),
            Cell(_class(line)),
            Cell(dash(figures.time(line["local_seconds"])), line["local_seconds"]),
            Cell(dash(figures.time(line["vendor_seconds"])), line["vendor_seconds"]),
            Cell(dash(figures.UNKNOWN) if delta is None else f"{delta:+,.2f}s", delta),
            Cell(dash(figures.money(line["vendor_usd"])), line["vendor_usd"]),
        )
    )


def _class(line: LineFigures) -> Child:
    kind = line["class"]
    if kind in AGREEING:
        return kind
    return element("span", badge(tone_of(VERDICT_OF.get(kind, "")), kind), title=MEANING.get(kind))


def _sums(totals: TotalFigures | None) -> Iterator[Markup]:
    if totals is None:
        return
    hours, dollars = totals["hours"], totals["dollars"]
    of_hours = (figures.time(hours["local_seconds"]), figures.time(hours["vendor_seconds"]))
    of_dollars = (figures.money(dollars["local_usd"]), figures.money(dollars["vendor_usd"]))
    rows = [_sum("Hours", *of_hours, hours), _sum("Dollars", *of_dollars, dollars)]
    by = "key" if totals["by"] == "key" else "tag"
    yield table("sums", f"Sums under the run's own {by}", _SUMS, rows)
    if totals["drift"] is not None:
        yield paragraph(element("strong", "Drift: "), drift_words(totals["drift"]))
    if totals["rates"]:
        yield table("rates", "What a minute costs", _RATES, [_rate(rate) for rate in totals["rates"]])


def _sum(name: str, ours: str, theirs: str, total: HoursFigures | DollarsFigures) -> Row:
    verdict = badge(tone_of(total["verdict"]), total["verdict"])
    return Row((Cell(name), Cell(dash(ours)), Cell(dash(theirs)), Cell(verdict), Cell(total["reason"])))


def drift_words(drift: DriftFigures) -> str:
    """Say what is left of the difference of all sessions together."""
    if drift["verdict"] is None:
        return f"not judged: {drift['reason'] or 'for a reason that is not known'}."
    mean, seconds, interval = drift["mean_seconds"], drift["seconds"], drift["interval_seconds"]
    each = "" if mean is None else f" On average, the statement differs by {mean:+.2f}s a session"
    within = "" if interval is None else f" (99% interval: {interval[0]:+.2f}s to {interval[1]:+.2f}s)"
    average = f"{each}{within}." if each else ""
    if seconds is None:
        all_of = f"all that differs over {counted(drift['n'], 'session')}"
        return f"none. Late ends, rounding, handshakes and dg_drift explain {all_of}.{average}"
    beyond = f"{figures.time(seconds)} {drift['direction']} {DRIFT}"
    return f"each of {counted(drift['n'], 'session')} agrees, but together the statement has {beyond}.{average}"


def _rate(rate: RateFigures) -> Row:
    by = "[prices]" if rate["expected_by"] == "prices" else "shipped"
    return Row(
        (
            Cell(rate["tier"]),
            Cell(f"{rate['sessions']:,}", rate["sessions"]),
            Cell(figures.money(rate["vendor_usd_per_minute"]), rate["vendor_usd_per_minute"]),
            Cell(f"{figures.money(rate['expected_usd_per_minute'])} ({by})", rate["expected_usd_per_minute"]),
            Cell(badge("bad", "differs") if rate["wrong"] else badge("good", "agrees")),
        )
    )
