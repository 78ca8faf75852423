"""The table of tests in a terminal: the dearest first, the rest summed, as wide as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple, get_args

from pytest_dgbudget.report.dearest import choose
from pytest_dgbudget.report.document import AttemptEntry, RunFigures, UsageDocument
from pytest_dgbudget.report.overrun_effect import fails
from pytest_dgbudget.report.plain_text import harmless, no_command
from pytest_dgbudget.report.short_names import shortened
from pytest_dgbudget.report.table_cells import Cells, Heading, cells_of, cells_of_rest
from pytest_dgbudget.units import counted

# So many rows are read; -v has all of them.
MOST_ROWS = 20
_GAP = 2
_NARROWEST = 40
# Which column goes first where names have too little room; the others stay.
_GO_FIRST: tuple[Heading, ...] = (
    "vendor's p50/p95",
    "waited",
    "sessions",
    "budget",
    "live",
    "saved",
    "p50/p95",
    "cost",
)
_LEFT: Heading = "verdict"


class _Row(NamedTuple):
    name: str
    cells: Cells
    style: str
    is_cut: bool  # where there is too little room


def table_of_tests(
    document: UsageDocument, *, width: int, color: bool, encoding: str = "utf-8", most: int | None = MOST_ROWS
) -> str:
    """Lay out the ``most`` dearest attempts, or all, in ``width`` columns, and what the others come to.

    Those that failed or overran are shown as well, up to ``most`` more. Names lose the folders that they share, and
    then their beginnings; where those differ, a name goes on in a new line. Columns that nothing stands in, and those
    that names need the room of, fall away. All of it can be written in this encoding.
    """
    rows = _rows(document, most, encoding)
    width = max(width, _NARROWEST)
    headings = _headings(rows, width)
    names = _names(rows, width - _taken(rows, headings) - _GAP, harmless("…", encoding).replace("\\u2026", ".."))
    return _laid_out(rows, names, headings, width, color=color)


def _rows(document: UsageDocument, most: int | None, encoding: str) -> list[_Row]:
    chosen = choose(document, most)
    rows = [
        _Row(
            harmless(_name(test, document["run"]), encoding),
            cells_of(test, document),
            "red" if fails(test) else "",
            is_cut=True,
        )
        for test in chosen.shown
    ]
    return rows + [
        _Row(_name_of_rest(tests, target, document["run"]), cells_of_rest(tests, document), "", is_cut=False)
        for target, tests in chosen.rest.items()
    ]


def _name(test: AttemptEntry, run: RunFigures) -> str:
    notes = [f"attempt {test['attempt']}"] if test["attempt"] > 1 else []
    notes += [test["target"]] if test["target"] != run["target"] else []
    return f"{test['nodeid']} ({', '.join(notes)})" if notes else test["nodeid"]


def _name_of_rest(tests: Sequence[AttemptEntry], target: str, run: RunFigures) -> str:
    what = "more attempt" if any(test["attempt"] > 1 for test in tests) else "more test"
    return f"and {counted(len(tests), what)}{'' if target == run['target'] else f' ({target})'}"


def _headings(rows: Sequence[_Row], width: int) -> list[Heading]:
    """Return the columns that something stands in, as many of them as names leave room for."""
    from rich.cells import cell_len

    headings: list[Heading] = [each for each in get_args(Heading) if any(row.cells[each] for row in rows)]
    wanted = min(width * 3 // 10, max((cell_len(row.name) for row in rows), default=0))
    for heading in _GO_FIRST:
        if width - _taken(rows, headings) >= wanted + _GAP:
            break
        headings = [each for each in headings if each != heading]
    return headings


def _taken(rows: Sequence[_Row], headings: Sequence[Heading]) -> int:
    return sum(max(len(heading), *(len(row.cells[heading]) for row in rows)) + _GAP for heading in headings)


def _names(rows: Sequence[_Row], room: int, ellipsis: str) -> list[str]:
    cut = shortened([row.name for row in rows if row.is_cut], room, ellipsis)
    return [*cut, *(row.name for row in rows if not row.is_cut)]


def _laid_out(
    rows: Sequence[_Row], names: Sequence[str], headings: Sequence[Heading], width: int, *, color: bool
) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True, box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column("test", overflow="fold", ratio=1)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == _LEFT else "right", no_wrap=True)
    for row, name in zip(rows, names, strict=True):
        table.add_row(*(Text(cell, style=row.style) for cell in (name, *(row.cells[each] for each in headings))))
    output = StringIO()
    console = Console(file=output, width=width, force_terminal=color, no_color=not color, highlight=False)
    console.print(table)
    return "".join(map(no_command, output.getvalue().splitlines(keepends=True)))
