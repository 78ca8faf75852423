"""Who may still hold what stands in a ledger: for those that come later, and may be on another machine.

A gateway is known to be gone where it held its run's lock on this machine, and nobody holds it now. What another
machine has begun is only known to be over when its time has passed. Everybody who ends leases goes by this.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.run_lock import is_live
from pytest_dgbudget.ledger.sweep import LeftLease

# How far another machine's clock and ours may be apart.
_CLOCK_SKEW = timedelta(minutes=5)


class Holders:
    """``state_dir`` has the locks of the ledger's runs; ``host`` is this machine, as invocations record theirs.

    ``own_run`` is the run whose lock the caller itself holds: on this machine, nobody else can serve it.
    """

    def __init__(self, connection: Connection, state_dir: Path, host: str, own_run: str | None = None) -> None:
        self._db = connection
        self._host = host
        self._is_live = cache(lambda run: run != own_run and is_live(state_dir, run))

    def may_hold(self, lease: LeftLease) -> bool:
        """Return whether a gateway may have sessions of this lease open."""
        if self._is_live(lease.run):
            return True
        return lease.host != self._host and not _has_passed(lease.ends_at)

    def may_serve(self, run: str) -> bool | None:
        """Return whether a gateway may serve a run; None for a run that is not in this ledger."""
        if not self._db.rows(sql.FIND_RUN, {"run": run}):
            return None
        if self._is_live(run):
            return True
        return any(row["host"] != self._host for row in self._db.rows(sql.UNFINISHED_HOSTS, {"run": run}))


def _has_passed(ends_at: str) -> bool:
    end = read_instant(ends_at)
    return end is not None and datetime.now(timezone.utc) > end + _CLOCK_SKEW
