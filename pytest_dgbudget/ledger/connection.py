"""The port to a database: what a backend provides, and its error for a ledger that can't be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from pytest_dgbudget.errors import LedgerError


class LedgerNotWritable(LedgerError):
    """Nothing can be written here; what is already there may be intact."""


class LedgerUnavailable(LedgerError):
    """Nothing is known to be wrong with the ledger: later it may be written again."""


class LedgerLocked(LedgerUnavailable):
    """Another process kept the ledger to itself for as long as it is waited for."""


class LedgerUnreachable(LedgerUnavailable):
    """There is no connection to the ledger's server."""


Rows = Sequence[Mapping[str, Any]]
# With its parameters.
Statement = tuple[str, Mapping[str, Any]]

# What whoever decides about leases excludes: their numbers follow one another, and sums must hold until the decision.
LEASES = "leases"


def served(run: str) -> str:
    """What every gateway of a run holds."""
    return f"run {run}"


def under_way(invocation: str) -> str:
    """What the gateway of an invocation holds."""
    return f"invocation {invocation}"


class Connection(Protocol):
    """What a backend provides."""

    name: str
    # Whether several gateways may serve one run.
    shares_runs: bool

    def wait_since(self, asked_at: float) -> None:
        """Count the time that others are waited for from this instant (``time.monotonic``) on."""
        ...

    def tables(self) -> set[str]: ...

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """Run a statement; a row maps the names of its columns to their values."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        """Run a statement, and return how many rows it has changed."""
        ...

    def insert(self, sql: str, parameters: Mapping[str, Any]) -> None:
        """Run a statement of which nothing is asked; that it has failed may be said later in its transaction."""
        ...

    def now(self) -> datetime:
        """Return the instant by the ledger's own clock, in UTC: one for all machines where a server has it."""
        ...

    def version(self) -> int:
        """A number that changes when another connection has written."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, with no other writer meanwhile; inside another transaction, a part of that."""
        ...

    def exclude(self, what: str, reads: Sequence[Statement] = ()) -> None:
        """Keep all others out that exclude the same, until the end of the transaction in which this is called.

        ``reads`` will be read next: a server may answer them at the same time.
        """
        ...

    def announce(self) -> None:
        """Tell everybody who watches, when the transaction is committed, that something may have become free."""
        ...

    def hold(self, what: str) -> None:
        """Let others see that this is held, for as long as this connection lives; several may hold the same."""
        ...

    def held(self, names: Iterable[str]) -> set[str]:
        """Return which of these any connection holds; none, where nobody can know."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Reads that are consistent with one another, even when nothing can be written any more."""
        ...

    def size(self) -> int:
        """How many bytes the ledger takes."""
        ...

    def reclaim(self) -> bool:
        """Give back the room of rows that are gone, beside others who write; False: only ``rebuild`` can."""
        ...

    def rebuild(self) -> None:
        """Give it back by writing the whole ledger anew; everybody else waits meanwhile."""
        ...

    def close(self) -> None: ...


class Watch(Protocol):
    """Sees that others have changed the ledger; belongs to the thread that made it."""

    def has_changed(self, seconds: float) -> bool:
        """Return whether something may have become free since the last call, waiting for it this long at most."""
        ...

    def close(self) -> None: ...
