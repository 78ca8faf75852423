"""A TOML text: its values, and errors that name the line of what is wrong. Pure."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from json import dumps
from typing import Any

from pytest_dgbudget.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What leads to a value, from the text on: keys, and numbers (from 0) in an array of tables.
Place = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[.*\])")
_KEY = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^="'#\[\]{},])+)=""")


class TomlText:
    """The tables of a TOML text. Its decimal numbers are Decimals, exactly as they were written."""

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

    def tables(self, key: str) -> Sequence[Mapping[str, Any]]:
        """Return an array of tables, empty where it is missing; raises SettingsError if it is anything else."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error((key,), f"{key} must be an array of tables: write each as [[{key}]], in two brackets")
        return value

    def refuse_other_tables(self, valid: Mapping[str, str]) -> None:
        """Raise SettingsError for the first key of the text itself that is not one of these, by how each is written."""
        for key, value in self._values.items():
            if key not in valid:
                what = f"table [{key}]" if isinstance(value, dict) else f"key {_quoted(key)}"
                raise self.error((key,), f"unknown {what}; {_suggestion(key, valid)}")

    def refuse_other_keys(self, place: Place, table: Mapping[str, Any], valid: Sequence[str]) -> None:
        """Raise SettingsError for the first key of a table, which is at this place, that is not one of these."""
        header = f"[{place[0]}]" if len(place) == 1 else f"[[{place[0]}]]"
        for key in table:
            if key not in valid:
                suggestion = _suggestion(key, {name: _quoted(name) for name in valid})
                raise self.error((*place, key), f"unknown key {_quoted(key)} in {header}; {suggestion}")

    def error(self, place: Place, what: str) -> SettingsError:
        """Return an error about the value at a place, with its line, or else that of the table it is in."""
        lines = (_line_of(place[:n], self._text) for n in range(len(place), 0, -1))
        line = next(filter(None, lines), None)
        return SettingsError(f"{self._name}{f':{line}' if line else ''}: {what}")


def as_written(value: object) -> str:
    """Return a value as it is spelled in TOML, about: a text in quotes, a number without any."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, Decimal)) else repr(value)


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


def _line_of(place: Place, text: str) -> int | None:
    """Return the first line that begins the table, or sets the value, at a place; None where none is seen to."""
    for number, keys in _statements(text):
        if keys[: len(place)] == place:
            return number
    return None


def _statements(text: str) -> Iterator[tuple[int, Place]]:
    """Return the line and the whole place of each header and key. What looks like one in a long string is one, too."""
    table: Place = ()
    seen: Counter[Place] = Counter()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            if keys := _keys_in(header[1]):
                table = (*keys, seen[keys]) if header[1].startswith("[[") else keys
                seen[keys] += 1
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + _keys_in(f"{key[1]} = {{}}")


def _keys_in(statement: str) -> tuple[str, ...]:
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
