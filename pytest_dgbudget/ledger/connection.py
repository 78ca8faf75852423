"""The port to a database: what a backend provides, and its error for a ledger that can't be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from pytest_dgbudget.errors import LedgerError


class LedgerNotWritable(LedgerError):
    """Nothing can be written here; what is already there may be intact."""


class LedgerLocked(LedgerError):
    """Another process kept the ledger to itself for as long as it is waited for; later it may be written again."""


Rows = Sequence[Mapping[str, Any]]


class Connection(Protocol):
    """What a backend provides."""

    name: str

    def wait_since(self, asked_at: float) -> None:
        """Count the time that others are waited for from this instant (``time.monotonic``) on."""
        ...

    def tables(self) -> set[str]: ...

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """Run a statement; a row maps the names of its columns to their values."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> None: ...

    def version(self) -> int:
        """A number that changes when another connection has written."""
        ...

    def now(self) -> datetime:
        """The ledger's own clock, in UTC: all who share it go by that."""
        ...

    def exclude_leases(self) -> None:
        """Within a transaction: have nobody else take a lease, or end what others left, before it is over."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, with no other writer meanwhile; inside another transaction, a part of that."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads that are consistent with one another, even when nothing can be written any more."""
        ...

    def close(self) -> None: ...
