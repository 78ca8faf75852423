"""Latencies of turns: ours, which are measured on the wire, and apart from them the vendor's own reports."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_dgbudget.report.document import AttemptEntry, SessionFigures, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.elements import Child, Markup, element, together
from pytest_dgbudget.report.html.parts import Cell, Column, dash
from pytest_dgbudget.report.shown_turns import has_latency, marked_turns
from pytest_dgbudget.rules.turn_figures import VendorLatency

LATENCY_COLUMNS = (
    Column("Turns", True, "The user's part and the agent's answer; below, those that are marked"),
    Column("p50 (ms)", True, "Median latency, measured at the gateway"),
    Column("p95 (ms)", True, "95th percentile of the latency, measured at the gateway"),
    Column(
        "Deepgram's (ms)", True, "p50 and p95 of total_latency in the vendor's LatencyReports; never mixed with ours"
    ),
)


def latency_cells(figures_of: AttemptEntry | SessionFigures) -> tuple[Cell, ...]:
    """Return the cells of these columns: no latency where it says nothing."""
    return _turns(figures_of), *(_latencies(figures_of) if has_latency(figures_of) else (Cell(None),) * 3)


def _latencies(figures_of: AttemptEntry | SessionFigures) -> tuple[Cell, ...]:
    p50, p95, own = figures_of["latency_p50_ms"], figures_of["latency_p95_ms"], figures_of.get("vendor_latency")
    return (
        Cell(dash(figures.count(p50)), p50),
        Cell(dash(figures.count(p95)), p95),
        Cell(_reported(own), None if own is None else own["p50_ms"]),
    )


def _turns(figures_of: AttemptEntry | SessionFigures) -> Cell:
    turns = figures_of["turns"]
    return Cell(together(dash(figures.count(turns)), *_notes(figures_of)), turns)


def _notes(figures_of: AttemptEntry | SessionFigures) -> Iterator[Markup]:
    """Yield how many turns are marked, and what stands beside their latencies."""
    said = marked_turns([figures_of])
    apart, functions_ms = figures_of.get("transcript_latency"), figures_of.get("function_max_ms")
    if apart is not None:
        said.append(f"since the transcript {figures.count(apart['p50_ms'])} / {figures.count(apart['p95_ms'])} ms")
    if functions_ms:
        said.append(f"functions took up to {functions_ms:,} ms")
    if said:
        yield element("div", ", ".join(said), class_="muted")


def _reported(own: VendorLatency | None) -> Child:
    if own is None or not own["reports"]:
        return None
    percentiles = f"{figures.count(own['p50_ms'])} / {figures.count(own['p95_ms'])}"
    return together(percentiles, element("div", f"{own['reports']:,} reported", class_="muted"))


def about_latencies(document: UsageDocument) -> Child:
    """Say what the latencies are."""
    said = "p50 and p95 are the silence before an answer, measured at the gateway."
    if not all(map(has_latency, document["tests"])):
        said += " At pace max they say nothing, and are not shown."
    reported = any(test.get("vendor_latency") for test in document["tests"])
    return f"{said} Deepgram's are its own LatencyReports: p50 / p95." if reported else said
