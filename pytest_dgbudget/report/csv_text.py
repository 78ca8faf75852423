"""Tables as CSV (RFC 4180), harmless for the spreadsheet that opens them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO

from pytest_dgbudget.report.plain_text import harmless

# Spreadsheets take a cell that begins with one of these for a formula; the last four are of East Asian keyboards.
_BEGIN_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Cell = str | int | float | bool | None


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> str:
    """Return a line of column names and one for each row, which end in CR LF. What is unknown is empty.

    A text that a spreadsheet would take for a formula gets an apostrophe in front of it; numbers are as they are.
    """
    output = StringIO(newline="")
    writer = csv.writer(output)
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    return output.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    text = harmless(value)
    return f"'{text}" if text.lstrip().startswith(_BEGIN_FORMULAS) else text
