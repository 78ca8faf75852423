"""Whose turn it is where several gateways wait for the same: strictly first come, first served.

Within one gateway the queue is in memory, and its head alone is a row, as long as it waits for something that others
may hold. A row is valid while its gateway serves its run. Who waits for something else is passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.instants import epoch_ms, instant_at, write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.model import Awaited

# Whether a gateway serves a run: its waiters are valid.
Serves = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Queued:
    """It is not this one's turn: what it waits for.

    ``thing`` is what other gateways may hold, or wait for, as well; None: nobody else can.
    """

    awaited: Awaited
    thing: str | None

    @property
    def with_others(self) -> bool:
        return self.thing is not None


class Waiters:
    """All who wait, as one gateway sees them; every method belongs into the transaction of a decision."""

    def __init__(self, connection: Connection, run: str, gateway: str) -> None:
        self._db = connection
        self._run = run
        self._gateway = gateway
        # Only who has waited ever may have to leave: most never do.
        self._has_waited = False

    def require_rights(self) -> None:
        """Raise LedgerNotWritable for whoever could not wait, or not stop waiting, before there is anything to lose."""
        self._db.execute(sql.CHANGE_WAITER, {"gateway": self._gateway, "waits_for": ""})
        self._db.execute(sql.DELETE_WAITER, {"id": ""})

    def ahead(self, things: Mapping[str, Awaited], serves: Serves) -> str | None:
        """Return for which of these things another gateway has waited longer than this one; None: for none.

        Who is gone is removed.
        """
        if not things:
            return None
        for row in self._db.rows(sql.WAITERS, {}):
            if row["gateway"] == self._gateway:
                return None
            if row["waits_for"] in things and self._is_valid(row, serves):
                found: str = row["waits_for"]
                return found
        return None

    def enter(self, waiter: str, thing: str) -> None:
        """Wait for this from now on; a gateway that waits already keeps its turn, whoever is its head."""
        self._has_waited = True
        waiting = self._db.rows(sql.WAITERS, {})
        waits_for = next((row["waits_for"] for row in waiting if row["gateway"] == self._gateway), None)
        row = {"gateway": self._gateway, "waits_for": thing}
        if waits_for is None:
            at = self._next_instant(waiting[-1]["at"] if waiting else "")
            self._db.execute(sql.INSERT_WAITER, {**row, "id": waiter, "run": self._run, "at": at})
        elif waits_for != thing:
            self._db.execute(sql.CHANGE_WAITER, row)
            self._db.announce()

    def leave(self, waiter: str) -> None:
        """Wait no longer."""
        if self._has_waited:
            self._remove(waiter)

    def _remove(self, waiter: str) -> None:
        if self._db.execute(sql.DELETE_WAITER, {"id": waiter}):
            self._db.announce()

    def _next_instant(self, last: str) -> str:
        """Return the ledger's instant, or one after the last: a clock that is set back lets nobody overtake."""
        now = self._db.now()
        return write_instant(now) if write_instant(now) > last else instant_at(epoch_ms(last) + 1)

    def _is_valid(self, row: Mapping[str, Any], serves: Serves) -> bool:
        if serves(row["run"], row["gateway"]):
            return True
        self._remove(row["id"])
        return False
