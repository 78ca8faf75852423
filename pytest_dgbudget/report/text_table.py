"""Tables of what several runs came to, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pytest_dgbudget.report.markdown_text import escaped, in_text
from pytest_dgbudget.report.plain_text import harmless, harmless_line, no_command
from pytest_dgbudget.report.short_names import shortened

_GAP = "  "
_LEAST_NAME = 20


class TextTable(NamedTuple):
    """``rows`` have a cell for each heading; the first one names what the row is of. ``words`` stand at the left."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[str] = frozenset()

    def columns(self) -> list[tuple[str, ...]]:
        """Return the columns with their headings, without those in which nothing is known; every text is harmless."""
        first, *others = zip(self.headings, *([*map(harmless, row)] for row in self.rows), strict=True)
        return [first, *(column for column in others if {*column[1:]} - {"", "-"})]


def text_lines(table: TextTable, width: int) -> Iterator[str]:
    """Yield the lines of a table that fits the terminal: where names can't be cut, they go on in a new line."""
    from rich.cells import cell_len, chop_cells

    names, *figures = table.columns()
    headings = [names[0], *(column[0] for column in figures)]
    widths = [max(map(cell_len, column)) for column in figures]
    room = max(_LEAST_NAME, width - sum(each + len(_GAP) for each in widths))
    cut = [names[0], *shortened(names[1:], room)]
    widths = [min(room, max(map(cell_len, cut))), *widths]
    yield table.title
    for name, *row in zip(cut, *figures, strict=True):
        first, *rest = chop_cells(name, room) or [""]
        cells = zip(headings, (first, *row), widths, strict=True)
        line = _GAP.join(_padded(cell, size, at_left=_is_word(table, of)) for of, cell, size in cells).rstrip()
        yield from map(no_command, (line, *rest))


def markdown_lines(table: TextTable) -> Iterator[str]:
    """Yield the same as a table of Markdown, below its title as a heading."""
    yield f"### {escaped(table.title)}"
    yield ""
    headings, *rows = zip(*table.columns(), strict=True)
    yield _row(headings)
    yield _row([":---" if _is_word(table, name) else "---:" for name in headings])
    yield from (_row([*map(escaped, row)]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_word(table: TextTable, heading: str) -> bool:
    return heading == table.headings[0] or heading in table.words


def _padded(cell: str, width: int, *, at_left: bool) -> str:
    from rich.cells import cell_len

    space = " " * (width - cell_len(cell))
    return cell + space if at_left else space + cell


Block = TextTable | Sequence[str]


def text_of(blocks: Iterable[Block], width: int) -> Iterator[str]:
    """Yield tables and lines for a terminal, an empty line between them."""
    for number, block in enumerate(blocks):
        if number:
            yield ""
        yield from text_lines(block, width) if isinstance(block, TextTable) else map(harmless_line, block)


def markdown_of(blocks: Iterable[Block]) -> str:
    """Return them as Markdown; lines are a list."""
    lines = [[*markdown_lines(block)] if isinstance(block, TextTable) else _list(block) for block in blocks]
    return "\n\n".join("\n".join(each) for each in lines) + "\n"


def _list(lines: Sequence[str]) -> list[str]:
    return [f"{' ' * (len(line) - len(line.lstrip()))}- {in_text(line)}" for line in lines]
