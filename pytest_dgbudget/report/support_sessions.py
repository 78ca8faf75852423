"""The sessions of a run as the vendor's support gets them: a CSV line for each, with both sides' figures.

Unknown is empty, never 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import timedelta

from pytest_dgbudget.instants import read_instant, write_instant
from pytest_dgbudget.report.document import SessionFigures, UsageDocument
from pytest_dgbudget.report.reconciliation_figures import LineFigures

COLUMNS = (
    *("request_id", "opened_at_utc", "closed_at_utc", "local_seconds", "handshake_seconds", "billed_seconds"),
    *("elapsed_seconds", "difference_seconds", "local_usd", "local_usd_estimated", "billed_usd", "tier"),
    *("closed_by", "close_code", "confirmed", "comparison"),
)
# With which a spreadsheet takes a text for a formula.
_BEGINS_FORMULA = ("=", "+", "-", "@")

Row = dict[str, object]


def sessions_csv(document: UsageDocument) -> str:
    """Return the table, with a header, and a line for each row of the statement that this run never opened as well."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in _rows(document))
    return file.getvalue()


def printable(text: str) -> str:
    """Return a text of the vendor's as a terminal, or a spreadsheet, can show it."""
    return "".join(each if each.isprintable() else "?" for each in text)[:200]


def _rows(document: UsageDocument) -> Iterator[Row]:
    lines = document["reconciliation"]["lines"]
    compared = {line["request_id"]: _theirs(line) for line in lines if line["request_id"] is not None}
    for session in document["sessions"]:
        request_id = session["request_id"]
        yield {**_ours(session), **(compared.get(request_id, {}) if request_id is not None else {})}
    for line in lines:
        if line["class"] == "missing-in-ledger":
            yield {"request_id": line["request_id"], **_begun(line), **_theirs(line)}


def _ours(session: SessionFigures) -> Row:
    return {
        "request_id": session["request_id"],
        "opened_at_utc": session["opened_at"],
        "closed_at_utc": session["closed_at"],
        "local_seconds": session["seconds"],
        "handshake_seconds": session["handshake_seconds"],
        "local_usd": session["cost_usd"],
        "local_usd_estimated": session["estimated"],
        "tier": session["tier"],
        "closed_by": session["closed_by"],
        "close_code": session["close_code"],
        "confirmed": session["confirmed"],
    }


def _begun(line: LineFigures) -> Row:
    """Return when a session that we never opened began and ended, as far as its row has that."""
    created = None if line["foreign"] is None else read_instant(line["foreign"]["created_at"] or "")
    if created is None:
        return {}
    elapsed = line["elapsed_seconds"]
    completed = None if elapsed is None else write_instant(created + timedelta(seconds=elapsed))
    return {"opened_at_utc": write_instant(created), "closed_at_utc": completed}


def _theirs(line: LineFigures) -> Mapping[str, object]:
    return {
        "billed_seconds": line["vendor_seconds"],
        "elapsed_seconds": line["elapsed_seconds"],
        "difference_seconds": line["delta_seconds"],
        "billed_usd": line["vendor_usd"],
        "comparison": line["class"],
    }


def _cell(value: object) -> object:
    """Return what is written: figures in full, and no text that a spreadsheet would compute."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6f}"  # 6.5e-05 is not what everybody reads
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_BEGINS_FORMULA) else text
