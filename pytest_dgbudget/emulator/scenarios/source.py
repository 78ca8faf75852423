"""The text of a TOML file: its values, and the lines on which they are. Pure."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left
from typing import Any

from pytest_dgbudget.emulator.scenarios.tables import Place

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|"(?:\\.|[^"\\])*"'  # texts
    r"|'''.*?'{3,5}|'[^']*'"
    r"|#[^\n]*|[\[{]|[\]}]|\n",
    re.DOTALL,
)


class BadSource(ValueError):
    """A text that is not TOML, or can't be read: the place and the reason."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")


def read_source(text: str) -> dict[str, Any]:
    """Return the values of a text; raises BadSource."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise BadSource(f"line {line[1]}" if line else "its end", f"not TOML: {error}") from None
    except RecursionError:
        raise BadSource(f"line {_line_of_failure(text)}", "it is nested too deeply") from None
    except ValueError:
        raise BadSource(f"line {_line_of_failure(text)}", "it has a number of thousands of digits") from None


def line_of(text: str, place: Place) -> int | None:
    """Return the line on which the statement that defines a value begins; None if the value does not exist."""
    ends = _ends_of_statements(text)
    n = bisect_left(ends, True, key=lambda end: _has(tomllib.loads(text[:end]), place))
    return None if n == len(ends) else text.count("\n", 0, ends[n - 1] if n else 0) + 1


def _ends_of_statements(text: str) -> list[int]:
    """Return where TOML may end: after each line that leaves neither a string nor a bracket open."""
    ends, depth = [], 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if token[0] == "\n" and not depth:
            ends.append(token.end())
    return [*ends, len(text)]


def _has(data: Any, place: Place) -> bool:
    """Return whether a value exists, be it inside an inline table."""
    try:
        for part in place:
            data = data[part]
    except (LookupError, TypeError):
        return False
    return True


def _line_of_failure(text: str) -> int:
    """Return the line from which on the parser itself fails."""
    lines = text.split("\n")
    return bisect_left(range(len(lines)), True, key=lambda n: _fails("\n".join(lines[: n + 1]))) + 1


def _fails(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # expected: the text may be cut in the middle of a statement
        return False
    except (ValueError, RecursionError):
        return True
    return False
