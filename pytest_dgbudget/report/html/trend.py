"""The trend: what earlier runs of the same target came to, and this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_dgbudget.report.dearest import summed_seconds, summed_usd
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.elements import Markup, element, name_of
from pytest_dgbudget.report.html.parts import Cell, Column, Row, dash, folded, muted, paragraph, section, table
from pytest_dgbudget.report.regression_figures import PastRunFigures
from pytest_dgbudget.report.shown_turns import has_latency
from pytest_dgbudget.units import counted

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 480, 150, 8, 30, 22
_LINE, _NOW = "#2a6fc4", "#c53b3b"
_COLUMNS = (
    Column("Run"),
    Column("Begun"),
    Column("Tests", True),
    Column("Sessions", True),
    Column("Seconds", True, "What was metered; forecasts where the run was emulated"),
    Column("Cost", True),
    Column("Latency p50", True),
)


class Point(NamedTuple):
    """A run in a chart; None: its figure is unknown."""

    name: str
    value: float | None


def trend_section(document: UsageDocument) -> Markup:
    """Return the charts, and a table with the same."""
    past = document.get("history", [])
    if not past:
        said = "No earlier runs are known to this report."
        return section("trend", "Trend", paragraph(said))
    runs = [*past, this_run(document)]
    of_time = [Point(run["id"], run["used_seconds"]) for run in runs]
    of_latency = [Point(run["id"], run["latency_p50_ms"]) for run in runs]
    charts = element(
        "div",
        _chart("Connection time", of_time, figures.time),
        _chart("Median turn latency", of_latency, lambda ms: figures.latency(None if ms is None else round(ms))),
        class_="charts",
    )
    rows = [_row(run) for run in reversed(runs)]
    same = folded(
        "The same as a table", table("trend-table", "This run and earlier ones, the last first", _COLUMNS, rows)
    )
    return section(
        "trend", "Trend", muted(f"This run, and {counted(len(past), 'earlier run')} of the same target."), charts, same
    )


def this_run(document: UsageDocument) -> PastRunFigures:
    """Return this run as later ones have it in their history: by what was metered, not by what was charged."""
    run = document["run"]
    own = [session for session in document["sessions"] if session["target"] == run["target"]]
    emulated = run["target"] == "emulator"
    metered = [session["forecast_seconds"] if emulated else session["seconds"] for session in own]
    return {
        "id": run["id"],
        "started_at": run["started_at"],
        "tests": len({test["nodeid"] for test in document["tests"] if test["target"] == run["target"]}),
        "sessions": run["sessions"],
        "used_seconds": summed_seconds([seconds or 0.0 for seconds in metered]) or 0.0,
        "cost_usd": run["forecast_usd"] if emulated else summed_usd([session["cost_usd"] for session in own]),
        "latency_p50_ms": run.get("latency_p50_ms") if has_latency(run) else None,
    }


def _row(run: PastRunFigures) -> Row:
    return Row(
        (
            Cell(name_of(run["id"])),
            Cell(figures.instant(run["started_at"])),
            Cell(f"{run['tests']:,}", run["tests"]),
            Cell(f"{run['sessions']:,}", run["sessions"]),
            Cell(figures.time(run["used_seconds"]), run["used_seconds"]),
            Cell(dash(figures.money(run["cost_usd"])), run["cost_usd"]),
            Cell(dash(figures.latency(run["latency_p50_ms"])), run["latency_p50_ms"]),
        )
    )


def _chart(title: str, points: Sequence[Point], shown: figures.Shown) -> Markup:
    known = [point.value for point in points if point.value is not None]
    now = points[-1].value
    said = f"{title}: {'unknown' if now is None else shown(now)} now"
    usual = f", {shown(min(known))} to {shown(max(known))} in all runs" if known else ""
    drawing = element(
        "svg",
        *_drawn(points, max(known, default=0.0) or 1.0, shown),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=_WIDTH, height=_HEIGHT, class_="chart", role="img",
        aria_label=said + usual, font_size=12,
    )  # fmt: skip
    return element(
        "figure", element("figcaption", element("strong", title), f": {said.partition(': ')[2]}{usual}"), drawing
    )


def _drawn(points: Sequence[Point], most: float, shown: figures.Shown) -> Iterator[Markup]:
    base = _HEIGHT - _BOTTOM
    yield element("line", x1=0, x2=_WIDTH, y1=base, y2=base, class_="tick", stroke="#7d8794")
    places = [(_x(at, len(points)), _y(point.value, most), point) for at, point in enumerate(points)]
    line = " ".join(f"{x},{y}" for x, y, _ in places if y is not None)
    yield element("polyline", points=line, fill="none", class_="trend-line", stroke=_LINE, stroke_width=2)
    for x, y, point in places[:-1]:
        if y is not None:
            title = element("title", f"{point.name}: {shown(point.value)}")
            yield element("circle", title, cx=x, cy=y, r=4, class_="past", fill=_LINE)
    yield from _now(*places[-1], shown)
    yield element("text", "earliest", x=0, y=_HEIGHT - 6, fill="currentColor")
    yield element("text", "this run", x=_WIDTH, y=_HEIGHT - 6, fill="currentColor", text_anchor="end")


def _now(x: float, y: float | None, point: Point, shown: figures.Shown) -> Iterator[Markup]:
    """Yield this run's point: a diamond with its figure."""
    if y is None:
        return
    diamond = f"{x},{y - 7} {x + 7},{y} {x},{y + 7} {x - 7},{y}"
    yield element("polygon", element("title", f"{point.name}, this run"), points=diamond, class_="now", fill=_NOW)
    yield element(
        "text", shown(point.value), x=_WIDTH, y=max(12, round(y) - 12), fill="currentColor", text_anchor="end"
    )


def _x(at: int, count: int) -> float:
    return round(_LEFT + at * (_WIDTH - 2 * _LEFT) / max(1, count - 1), 1)


def _y(value: float | None, most: float) -> float | None:
    """Return where a figure is drawn, above a base that is 0."""
    return None if value is None else round(_TOP + (1 - value / most) * (_HEIGHT - _TOP - _BOTTOM), 1)
