"""What is likely to be read in a transaction, so that it can be fetched on the way on which the transaction begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_dgbudget.ledger.connection import Rows, Statement

_Key = tuple[str, tuple[tuple[str, Any], ...]]


class ReadAhead:
    """Who has read the same in two transactions one after the other reads it in the third as well."""

    def __init__(self) -> None:
        self._before_last: Mapping[_Key, Statement] = {}
        self._last: dict[_Key, Statement] = {}
        self._known: dict[_Key, Rows] = {}

    def likely(self) -> Sequence[Statement]:
        """Return what a transaction is likely to read that begins now."""
        found = [statement for key, statement in self._last.items() if key in self._before_last]
        self._before_last, self._last = self._last, {}
        return found

    def fetched(self, statements: Sequence[Statement], rows: Sequence[Rows]) -> None:
        """Know these rows until something is written."""
        self._known = {_key(statement): found for statement, found in zip(statements, rows, strict=True)}

    def read(self, statement: Statement) -> Rows | None:
        """Return its rows where they are known; the transaction reads it."""
        key = _key(statement)
        self._last[key] = statement
        return self._known.get(key)

    def forget(self) -> None:
        """Something is written, or the transaction has ended."""
        self._known = {}


def _key(statement: Statement) -> _Key:
    sql, parameters = statement
    return sql, tuple(sorted(parameters.items()))
