"""Ledgers that tests write, and what they read of a project's past the product, as anybody could."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import Any

from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger import opening
from pytest_dgbudget.ledger.changes import Changes
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.shared_budgets import NONE_SHARED, SharedBudgets
from pytest_dgbudget.model import Attempt, ClosedBy, Invocation, Lease, Overrun, UsageRecord
from pytest_dgbudget.rules.attempts import scope_of_cut

# Of a minute, in millionths of a dollar.
HIGHEST_PRICE = 163_000


class Others(AbstractSet[str]):
    """Runs that are live as the gateway of one of them sees it: who holds that one's lock itself is the only one."""

    def __init__(self, live: AbstractSet[str], own: str) -> None:
        self._live, self._own = live, own

    def __contains__(self, run: object) -> bool:
        return run != self._own and run in self._live

    def __iter__(self) -> Iterator[str]:
        return iter(self._live - {self._own})

    def __len__(self) -> int:
        return len([*self])


def open_ledger(
    address: Path | str,
    *,
    durable: bool = False,
    live: Collection[str] = frozenset(),
    shared: SharedBudgets = NONE_SHARED,
    **fields: Any,
) -> Ledger:
    """Open a ledger, a file or a server's, and enter an invocation; ``live`` are the runs that are still served."""
    invocation: dict[str, Any] = {
        "id": "invocation",
        "run": "run",
        "target": "emulator",
        "billed": False,
        "tag": "dgbudget-run",
        "budget_ms": 60_000,
        "host": gethostname(),
        "pid": 1,
        **fields,
    }
    connection = open_connection(address, None, durable=durable)
    try:
        ledger = Ledger(connection, Invocation(**invocation), HIGHEST_PRICE, shared)
        ledger.begin(lambda lease: lease.run in live, lambda run, gateway: run in live)
    except BaseException:
        connection.close()
        raise
    return ledger


def address_of(text: str) -> Path | str:
    return text if text.startswith("postgresql:") else Path(text)


def changes_of(address: Path | str) -> Callable[[], Changes]:
    """Return what makes one that tells of changes in this ledger."""
    return partial(opening.changes_of, address, None)


def leased(ledger: Ledger, attempt: Attempt) -> Lease:
    lease = ledger.lease(attempt)
    assert isinstance(lease, Lease)
    return lease


def usage(
    dial: str,
    ms: int | None = 1000,
    *,
    closed_by: ClosedBy = "client",
    confirmed: bool = True,
    budget_ms: int = 10_000,
) -> UsageRecord:
    """Return what a session came to; ``budget_ms`` is the budget that cut it, where one did."""
    scope = scope_of_cut(closed_by)
    return UsageRecord(
        dial=dial,
        request_id="request",
        closed_at=utc_now(),
        ms=ms,
        handshake_ms=5,
        audio_in_ms=None,
        audio_out_ms=0,
        closed_by=closed_by,
        close_code=1000,
        confirmed=confirmed,
        tagged=True,
        overrun=None if scope is None else Overrun(kind="cut", scope=scope, used=ms or 0, allowed=budget_ms),
    )


def sums(ledger: Ledger, attempt: Attempt) -> dict[str, tuple[int, int]]:
    """Return what each scope of an attempt has settled and leased."""
    return {scope.name: (scope.settled, scope.leased) for scope in ledger.scopes(attempt)}


def rows_of(project: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(project / ".dgbudget/ledger.db", timeout=10)) as ledger:
        return ledger.execute(statement).fetchall()


def ends_of_leases(project: Path) -> list[str | None]:
    """How each lease ended, in the order in which they were taken; None while it is open, once for each end."""
    ends = "SELECT lease_end.how FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id ORDER BY lease.taken_at"
    return [how for (how,) in rows_of(project, ends)]


@contextmanager
def locked(ledger: Path) -> Iterator[sqlite3.Connection]:
    """Keep a ledger from everybody else; ``ROLLBACK`` releases it before the end."""
    with closing(sqlite3.connect(ledger, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
