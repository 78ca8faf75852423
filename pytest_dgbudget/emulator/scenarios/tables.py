"""Values of the tables that describe scenarios, and where in them something is wrong. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol, TypeVar

from pytest_dgbudget.emulator.readers import nearest

T = TypeVar("T")
Place = tuple["str | int", ...]


class BadScenario(ValueError):
    """An invalid scenario; the message has the place (of a file: its name, the line and the key) and the reason."""


class Origin(Protocol):
    """Where tables come from, and how they are written there."""

    def where(self, place: Place) -> str:
        """Return the words for a place in the tables."""
        ...

    def table(self, **example: Any) -> str:
        """Return a table as it is written there."""
        ...

    def tables(self, place: Place) -> str:
        """Return how a list of tables is written there."""
        ...


class TableReader:
    """Reads values out of tables; every method raises BadScenario with their place."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def optional(self, read: Callable[[Any], T], table: Mapping[str, Any], key: str, at: Place) -> T | None:
        return self.value(read, table, key, at) if key in table else None

    def value(self, read: Callable[[Any], T], table: Mapping[str, Any], key: str, at: Place) -> T:
        try:
            return read(table[key])
        except ValueError as error:
            self.fail((*at, key), str(error))

    def texts(self, table: Mapping[str, Any], key: str, at: Place) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self.fail((*at, key), 'it is a list of texts: ["…", "…"]')
        return tuple(value)

    def tables(self, table: Mapping[str, Any], key: str, at: Place) -> list[tuple[Mapping[str, Any], Place]]:
        """Return each table of a list with its place."""
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.fail((*at, key), f"it is a list of tables: {self._origin.tables((*at, key))}")
        return [(each, (*at, key, n)) for n, each in enumerate(value)]

    def known(self, table: Mapping[str, Any], keys: tuple[str, ...], at: Place) -> None:
        for key in table:
            if key not in keys:
                self.fail((*at, key), f"no such key{nearest(key, keys)}")

    def fail(self, place: Place, why: str) -> NoReturn:
        raise BadScenario(f"{self._origin.where(place)}: {why}")
