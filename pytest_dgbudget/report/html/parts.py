"""What the sections are made of: sections, tables, badges, and what is folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from pytest_dgbudget.report.html.elements import (
    LONGEST_NAME,
    Attribute,
    Child,
    Markup,
    clipped,
    element,
    several,
    together,
)
from pytest_dgbudget.report.html.figures import UNKNOWN

Tone = Literal["good", "bad", "warn", "note"]
# What a tone looks like without its colour.
_SIGNS: Mapping[Tone, str] = {"good": "✓", "bad": "✗", "warn": "!", "note": "•"}
_OF_VERDICTS: Mapping[str, Tone] = {"reconciled": "good", "discrepancy": "bad", "off": "note"}

_WORDS = re.compile("[^_/]*[_/]+|[^_/]+")  # a test's name is broken between them, if it has to be
_MANY = 50  # rows that fill any window


class Cell(NamedTuple):
    """A cell: what it shows, None for nothing, and the number by which its column is sorted, if that is one."""

    shown: Child
    value: float | None = None


class Column(NamedTuple):
    """A column: its heading, whether its cells are numbers, and a sentence on what it shows."""

    heading: str
    numeric: bool = False
    about: str | None = None


class Row(NamedTuple):
    """A row, whose first cell is its heading; ``attributes`` are those of the ``tr``."""

    cells: Sequence[Cell]
    attributes: Mapping[str, Attribute] = MappingProxyType({})


def section(name: str, title: str, *children: Child) -> Markup:
    """Return a section that its heading names."""
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *children, id=name, aria_labelledby=f"{name}-title")


def paragraph(*children: Child) -> Markup:
    """Return a paragraph."""
    return element("p", *children)


def muted(*children: Child) -> Markup:
    """Return a paragraph of lesser weight."""
    return element("p", *children, class_="muted")


def listed(children: Iterable[Child]) -> Markup | None:
    """Return a list; None where there is nothing in it."""
    items = [element("li", child) for child in children]
    return element("ul", *items) if items else None


def badge(tone: Tone, text: str) -> Markup:
    """Return a short verdict, with a sign beside its colour."""
    return element("span", element("span", _SIGNS[tone], aria_hidden="true"), " ", text, class_=f"badge {tone}")


def tone_of(verdict: str) -> Tone:
    """Return how grave a verdict of the reconciliation is."""
    return _OF_VERDICTS.get(verdict, "warn")


def folded(summary: Child, *children: Child) -> Markup:
    """Return what is shown when it is asked for, and when the page is printed."""
    return element("details", element("summary", summary), *children)


def dash(text: str) -> Child:
    """Return a figure of a table; an unknown one is read out as that."""
    return element("abbr", text, title="unknown") if text == UNKNOWN else text


def table(name: str, caption: str, columns: Sequence[Column], rows: Sequence[Row]) -> Markup:
    """Return a table that scrolls by itself where the window is narrow; columns in which nothing is are left out."""
    shown = [at for at in range(len(columns)) if any(row.cells[at].shown is not None for row in rows)]
    heads = [_head(columns[at]) for at in shown]
    body = [_row(row, columns, shown) for row in rows]
    made = element(
        "table",
        element("caption", caption, id=f"{name}-caption"),
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        id=name,
    )
    kind = "scrolls many" if len(rows) > _MANY else "scrolls"
    return element("div", made, class_=kind, role="region", aria_labelledby=f"{name}-caption", tabindex=0)


def named(nodeid: str, *notes: Child) -> Markup:
    """Return a test's name below its file, and what tells it from others of that name."""
    file, separator, test = clipped(nodeid, LONGEST_NAME).partition("::")
    folder = element("span", _breakable(f"{file}{separator}")) if separator else None
    name = element("bdi", folder, _breakable(test if separator else file))
    return together(name, *(element("span", " ", note, class_="muted") for note in notes))


def _breakable(name: str) -> Markup:
    return several(_WORDS.findall(name), element("wbr"))


def _head(column: Column) -> Markup:
    kind = "number" if column.numeric else None
    return element("th", column.heading, scope="col", class_=kind, title=column.about)


def _row(row: Row, columns: Sequence[Column], shown: Sequence[int]) -> Markup:
    first, *others = shown
    heading = element("th", row.cells[first].shown, scope="row")
    return element("tr", heading, *(_cell(row.cells[at], columns[at]) for at in others), **row.attributes)


def _cell(cell: Cell, column: Column) -> Markup:
    is_unknown = column.numeric and cell.value is None
    return element("td", cell.shown, class_="number" if is_unknown else None, data_value=cell.value)
