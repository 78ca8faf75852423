"""A TOML text: its values, and errors that name the line of what is wrong. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from json import dumps
from typing import Any

from pytest_dgbudget.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Keys = tuple[str, ...]

_HEADER = re.compile(r"\s*(\[.*\])")
_KEY = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^="'#\[\]{},])+)=""")


class TomlText:
    """The tables of a TOML text. Its decimal numbers are Decimals, exactly as they were written.

    A place is the keys that lead to a value; ``()`` is the text itself.
    """

    def __init__(self, name: str, text: str) -> None:
        """``name`` is the file's, for errors. Raises SettingsError when it is not TOML."""
        self._name = name
        self._text = text
        self._values: Mapping[str, Any]
        try:
            self._values = tomllib.loads(text, parse_float=_decimal)
        except RecursionError:
            raise SettingsError(f"{name} is not TOML: it is nested too deeply") from None
        except ValueError as error:  # TOMLDecodeError is one; so is that of a number with thousands of digits
            raise SettingsError(f"{name} is not TOML: {error}") from None

    @classmethod
    def of_values(cls, name: str, values: Mapping[str, Any]) -> TomlText:
        """Return the same for values that were not written in TOML; errors about them name no line."""
        toml = cls(name, "")
        toml._values = values
        return toml

    def table(self, key: str) -> Mapping[str, Any]:
        """Return a table of the text, empty where it is missing; raises SettingsError if it is anything else."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self.error((key,), f"[{key}] must be one table")
        return value

    def refuse_other_tables(self, valid: Sequence[str]) -> None:
        """Raise SettingsError for the first key of the text itself that is not one of these tables."""
        for key, value in self._values.items():
            if key not in valid:
                what = f"table [{key}]" if isinstance(value, dict) else f"key {_quoted(key)}"
                raise self.error((key,), f"unknown {what}; {_suggestion(key, {name: f'[{name}]' for name in valid})}")

    def refuse_other_keys(self, table: str, valid: Sequence[str]) -> None:
        """Raise SettingsError for the first key of a table that is not one of these."""
        for key in self.table(table):
            if key not in valid:
                suggestion = _suggestion(key, {name: _quoted(name) for name in valid})
                raise self.error((table, key), f"unknown key {_quoted(key)} in [{table}]; {suggestion}")

    def error(self, place: Keys, what: str) -> SettingsError:
        """Return an error about the value at a place, with its line, or else that of the table it is in."""
        lines = (_line_of(place[:n], self._text) for n in range(len(place), 0, -1))
        line = next(filter(None, lines), None)
        return SettingsError(f"{self._name}{f':{line}' if line else ''}: {what}")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent that no machine holds
        return Decimal("nan")


def _suggestion(key: str, valid: Mapping[str, str]) -> str:
    """Return the nearest of the valid names and all of them, each as it is to be shown."""
    nearest = get_close_matches(key, valid, n=1, cutoff=0.5)
    did_you_mean = f"did you mean {valid[nearest[0]]}? " if nearest else ""
    return f"{did_you_mean}valid: {', '.join(valid.values())}"


def _quoted(key: str) -> str:
    return dumps(key, ensure_ascii=False)


def _line_of(place: Keys, text: str) -> int | None:
    """Return the first line that begins the table, or sets the value, at a place; None where none is seen to."""
    for number, keys in _statements(text):
        if keys[: len(place)] == place:
            return number
    return None


def _statements(text: str) -> Iterator[tuple[int, Keys]]:
    """Return the line and the whole place of each header and key. What looks like one in a long string is one, too."""
    table: Keys = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _keys_in(header[1]) or table
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + _keys_in(f"{key[1]} = {{}}")


def _keys_in(statement: str) -> Keys:
    """Return the keys, one within the other, that a header or a key with an empty value spells; none if it is not."""
    try:
        value: Any = tomllib.loads(statement)
    except ValueError:
        return ()
    keys: list[str] = []
    while isinstance(value, dict) and value:
        ((key, value),) = value.items()
        keys.append(key)
    return tuple(keys)
