"""Places: how many sessions may be open at once, over all billed runs of a ledger."""

from __future__ import annotations

from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection

# What waiters for a place wait for.
PLACES = "places"


class Places:
    """``sessions`` is how many there are. A place is taken by a dial, from its record on to that of its usage."""

    def __init__(self, connection: Connection, sessions: int) -> None:
        self._db = connection
        self._sessions = sessions
        # Every lease before this one has ended.
        self._since = 0

    def are_taken(self) -> bool:
        """Return whether no place is free; within the transaction that would take one."""
        (found,) = self._db.rows(sql.OPEN_DIALS, {"since": self._since})
        self._since = found["last"] + 1 if found["first"] is None else found["first"]
        taken: int = found["dials"]
        return taken >= self._sessions
