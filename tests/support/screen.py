"""A terminal's screen, with what has scrolled off it: what a user sees of what a program has written."""

from __future__ import annotations

import re

from _pytest._io.wcwidth import wcwidth

_SEQUENCE = re.compile(
    r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\](?:[^\x07\x1b]*)(?:\x07|\x1b\\)|\x1b([78D])|([\x00-\x1f])|([^\x00-\x1f]+)"
)


class Screen:
    """It knows what pytest and we write: text, lines, colours, and the cursor as DEC's VT100 has it.

    A wide character has two cells, the second of them empty; one that doesn't fit goes into the next line.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = columns
        self._rows = rows
        self._lines: list[list[str]] = [[]]
        self._top = self._row = self._column = 0
        self._saved = (0, 0)

    def write(self, text: str) -> Screen:
        """Obey a text; raises ValueError for a sequence that it doesn't know."""
        at = 0
        for found in _SEQUENCE.finditer(text):
            if found.start() != at:
                break
            at = found.end()
            numbers, final, escape, control, printed = found.groups()
            if final is not None:
                self._csi(numbers, final)
            elif escape is not None:
                self._escape(escape)
            elif control is not None:
                self._control(control)
            elif printed is not None:
                self._print(printed)
        if at != len(text):
            raise ValueError(f"not known: {text[at : at + 20]!r}")
        return self

    @property
    def text(self) -> list[str]:
        """All lines, from the first that was written to the last that has something in it."""
        lines = ["".join(line).rstrip() for line in self._lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _print(self, text: str) -> None:
        for character in text:
            cells = [character, *[""] * (wcwidth(character) - 1)]
            if self._column + len(cells) > self._columns:
                self._column = 0
                self._down()
            line = self._line()
            line += [" "] * (self._column - len(line))
            line[self._column : self._column + len(cells)] = cells
            self._column += len(cells)

    def _line(self) -> list[str]:
        while len(self._lines) <= self._top + self._row:
            self._lines.append([])
        return self._lines[self._top + self._row]

    def _down(self) -> None:
        """As a line feed: at the last row everything scrolls."""
        if self._row == self._rows - 1:
            self._top += 1
        else:
            self._row += 1
        self._line()

    def _control(self, control: str) -> None:
        if control == "\n":
            self._down()
        elif control == "\r":
            self._column = 0
        else:
            raise ValueError(f"not known: {control!r}")

    def _escape(self, escape: str) -> None:
        if escape == "D":
            self._column = min(self._column, self._columns - 1)
            self._down()
        elif escape == "7":
            self._saved = (self._row, self._column)
        else:
            self._row, self._column = self._saved

    def _csi(self, numbers: str, final: str) -> None:
        count = int(numbers or 1) if numbers.isdigit() or not numbers else 0
        if final == "A":
            self._row = max(0, self._row - count)
        elif final == "B":
            self._row = min(self._rows - 1, self._row + count)
        elif final == "J" and not numbers:
            # Where the next character goes into a new line, the cursor is still in the last column.
            del self._line()[min(self._column, self._columns - 1) :]
            del self._lines[self._top + self._row + 1 :]
        elif final != "m":
            raise ValueError(f"not known: {numbers}{final}")
