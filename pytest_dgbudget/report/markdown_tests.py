"""The dearest tests as a table in Markdown, and what the others come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from pytest_dgbudget.report.dearest import choose
from pytest_dgbudget.report.markdown_text import in_cell, in_code, in_text
from pytest_dgbudget.report.table_cells import Cells, Heading, cells_of, cells_of_rest, cost_line, latency_line
from pytest_dgbudget.units import counted

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import AttemptEntry, UsageDocument

_MOST_TESTS = 20
_ON_THE_LEFT: Heading = "verdict"


def dearest_tests(document: UsageDocument) -> Iterator[str]:
    """Yield a table, the dearest tests first, with a row for all that are not in it; and what its marks mean."""
    chosen, target = choose(document, _MOST_TESTS), document["run"]["target"]
    rows = [(named(test, target), cells_of(test, document)) for test in chosen.shown]
    for of, rest in chosen.rest.items():
        rows.append((f"and {counted(len(rest), 'more test')}{_elsewhere(of, target)}", cells_of_rest(rest, document)))
    if rows:
        yield from _table(rows)
    for line in filter(None, (cost_line(document), latency_line(document))):
        yield from ("", in_text(line))


def named(test: AttemptEntry, target: str) -> str:
    """Return a test's name, with its attempt where it is not the first, and its target where that is not the run's."""
    attempt = f", attempt {test['attempt']}" if test["attempt"] > 1 else ""
    return f"{in_code(test['nodeid'])}{attempt}{_elsewhere(test['target'], target)}"


def _elsewhere(target: str, of_run: str) -> str:
    return "" if target == of_run else f" ({in_text(target)})"


def _table(rows: Sequence[tuple[str, Cells]]) -> Iterator[str]:
    """Yield its lines, without the columns that nothing stands in."""
    headings: list[Heading] = [each for each in get_args(Heading) if any(cells[each] for _, cells in rows)]
    yield f"| test | {' | '.join(headings)} |"
    yield f"| --- | {' | '.join('---' if each == _ON_THE_LEFT else '--:' for each in headings)} |"
    for name, cells in rows:
        yield f"| {name} | {' | '.join(in_cell(cells[each]) for each in headings)} |"
