"""The port to a database: what a backend brings, and how it says that nothing can be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pytest_dgbudget.errors import LedgerError


class LedgerNotWritable(LedgerError):
    """There is no way to write here, which says nothing about what stands there."""


Rows = Sequence[Mapping[str, Any]]


class Connection(Protocol):
    """What a backend brings."""

    name: str

    def tables(self) -> set[str]: ...

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """Run a statement; each row is its values by the names of its columns."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> None: ...

    def version(self) -> int:
        """A number that changes when another connection has written."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, alone among all writers; within another one, a part of that."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads that agree with one another, also where nothing can be written any more."""
        ...

    def close(self) -> None: ...
