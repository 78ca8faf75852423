"""An audit for people: a table of the classes, one of what doesn't agree, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

from pytest_dgbudget.report.audit_document import AuditDocument, AuditLine, LeaseFigures
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.report.reconciliation_figures import DriftFigures
from pytest_dgbudget.units import short_usd

_MOST_LINES = 50
_MOST_RUNS = 5
_GAP = 2
_CLASSES = ("class", "lines", "ours", "theirs", "difference", "their dollars")
_LINES = ("class", "run", "request", "began at", "ours", "theirs", "difference", "their dollars")
_LEASES = ("lease", "run", "taken at", "end", "unseen", "at most", "by the statement")
# Names, which stand at the left and are never cut.
_NAMES = {"class", "run", "request", "began at", "lease", "taken at", "end"}


def audit_text(document: AuditDocument, *, width: int, color: bool) -> str:
    """Return the whole as lines of text; tables are as wide as they have to be, ``width`` or more."""
    tables = (
        (_CLASSES, list(_class_rows(document))),
        (_LINES, [_line_row(line) for line in document["lines"][:_MOST_LINES]]),
        (_LEASES, [_lease_row(lease) for lease in document["leases"][:_MOST_LINES]]),
    )
    shown = (_table(headings, rows, width, color) for headings, rows in tables if rows)
    said = [*_sums(document), *document["remarks"], *_verdict(document)]
    return "\n".join([_head(document), "", *shown, *map(harmless, said), ""])


def _head(document: AuditDocument) -> str:
    project = document["project"] or "unknown"
    return f"audit since {document['since']}: {document['target']} sessions, project {project}"


def _class_rows(document: AuditDocument) -> Iterator[Sequence[str]]:
    for kind, figures in document["classes"].items():
        yield (
            kind,
            f"{figures['lines']:,}",
            _time(figures["local_seconds"]),
            _stated(figures["vendor_seconds"], figures["elapsed_seconds"]),
            _difference(figures["delta_seconds"]),
            _money(figures["vendor_usd"]),
        )


def _line_row(line: AuditLine) -> Sequence[str]:
    return (
        line["class"],
        line["run"] or line["tag"] or "-",
        line["request_id"] or "-",
        line["began_at"] or "-",
        _time(line["local_seconds"]),
        _stated(line["vendor_seconds"], line["elapsed_seconds"]),
        _difference(line["delta_seconds"]),
        _money(line["vendor_usd"]),
    )


def _lease_row(lease: LeaseFigures) -> Sequence[str]:
    return (
        lease["lease"],
        lease["run"],
        lease["taken_at"],
        lease["end"],
        _time(lease["unseen_seconds"]),
        _money(lease["unseen_usd"]),
        _time(lease["stated_seconds"]),
    )


def _sums(document: AuditDocument) -> Iterator[str]:
    if (more := len(document["lines"]) - _MOST_LINES) > 0:
        yield f"… and {more:,} more that don't agree, all with --json"
    if (more := len(document["leases"]) - _MOST_LINES) > 0:
        yield f"… and {more:,} more leases, all with --json"
    yield from _drift("", document["drift"])
    for key, drift in document["drift_by_key"].items():
        yield from _drift(f" of the key {key}", drift)
    for rate in document["rates"]:
        yield (
            f"price of {rate['tier']}: {_money(rate['vendor_usd_per_minute'])} a minute in the statement, "
            f"{_money(rate['expected_usd_per_minute'])} expected; {rate['sessions']:,} sessions"
        )
    if estimate := document["estimate"]:
        yield (
            f"estimate: {_money(estimate['local_usd'])} by our prices, {_money(estimate['vendor_usd'])} in the "
            f"statement; {estimate['sessions']:,} sessions"
        )


def _drift(whose: str, drift: DriftFigures) -> Iterator[str]:
    if drift["verdict"] is not None:
        found = "none" if drift["seconds"] is None else f"{_time(drift['seconds'])} {drift['direction']}"
        mean = _difference(drift["mean_seconds"])
        yield f"drift{whose}: {found}; {drift['n']:,} sessions, which differ by {mean} on average"


def _verdict(document: AuditDocument) -> Iterator[str]:
    yield f"verdict: {document['verdict']}"
    yield from (f"  {reason}" for reason in document["reasons"])
    if document["verdict"] == "discrepancy":
        yield from _how_to_go_on(document)


def _how_to_go_on(document: AuditDocument) -> Iterator[str]:
    runs = sorted({line["run"] for line in document["lines"] if line["run"] is not None})
    yield "  all of it: dgbudget audit --json"
    if runs:
        named = runs[0] if len(runs) == 1 else f"RUN, for each of {', '.join(runs[:_MOST_RUNS])}"
        more = f" and {len(runs) - _MOST_RUNS:,} more" if len(runs) > _MOST_RUNS else ""
        yield f"  the evidence for Deepgram support: dgbudget support-bundle {named}{more}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, color: bool) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [tuple(map(harmless, row)) for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _NAMES else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    widths = [max(map(len, column)) + _GAP for column in zip(headings, *rows, strict=True)]
    output = StringIO()
    Console(file=output, width=max(width, sum(widths)), force_terminal=color, no_color=not color).print(table)
    return output.getvalue()


def _time(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:,.3f}s"


def _stated(seconds: float | None, elapsed: float | None) -> str:
    """What a row without a duration has is the time from its creation to its completion, and no duration."""
    return f"{_time(elapsed)} elapsed" if seconds is None and elapsed is not None else _time(seconds)


def _difference(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:+,.3f}s"


def _money(usd: float | None) -> str:
    return "unknown" if usd is None else short_usd(usd)
