"""Who may still hold what stands in a ledger: for those that come later, and may be on another machine.

In a file, a gateway is known to be gone where it held its run's lock on this machine, and nobody holds it now. What
another machine has begun is only known to be over when its time has passed. A server sees whose connection lives; but
sessions go on without one, until their time has passed by its clock. Everybody who ends leases goes by this.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Protocol

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection, served
from pytest_dgbudget.ledger.run_lock import is_live, live_runs
from pytest_dgbudget.ledger.sweep import LeftLease

# How far another machine's clock and ours may be apart.
_CLOCK_SKEW = timedelta(minutes=5)


class Holders(Protocol):
    """What a ledger tells of gateways."""

    def may_hold(self, lease: LeftLease) -> bool:
        """Return whether a gateway may have sessions of this lease open."""
        ...

    def serves(self, run: str, gateway: str) -> bool:
        """Return whether this gateway serves a run now."""
        ...

    def may_serve(self, run: str) -> bool | None:
        """Return whether a gateway may serve a run; None for a run that is not in this ledger."""
        ...

    def live(self, runs: Iterable[str]) -> set[str]:
        """Return which of these runs a gateway is known to serve."""
        ...


def holders_of(
    ledger: Path | str, connection: Connection, state_dir: Path, host: str, own_run: str | None = None
) -> Holders:
    """Return those of a ledger, which is a file or on a server.

    ``state_dir`` has the locks of the ledger's runs; ``host`` is this machine, as invocations record theirs.
    ``own_run`` is the run whose lock the caller itself holds: on this machine, nobody else can serve it.
    """
    if isinstance(ledger, str):
        return HoldersOnServer(connection)
    return HoldersOfFile(connection, state_dir, host, own_run)


class HoldersOfFile:
    """By the locks of files."""

    def __init__(self, connection: Connection, state_dir: Path, host: str, own_run: str | None) -> None:
        self._db = connection
        self._host = host
        self._state_dir = state_dir
        self._is_live = cache(lambda run: run != own_run and is_live(state_dir, run))

    def may_hold(self, lease: LeftLease) -> bool:
        if self._is_live(lease.run):
            return True
        return lease.host != self._host and not _has_passed(lease.ends_at, datetime.now(timezone.utc) - _CLOCK_SKEW)

    def serves(self, run: str, gateway: str) -> bool:
        """Who has the lock of a run is the only one."""
        return self._is_live(run)

    def may_serve(self, run: str) -> bool | None:
        if not self._db.rows(sql.FIND_RUN, {"run": run}):
            return None
        if self._is_live(run):
            return True
        return any(row["host"] != self._host for row in self._db.rows(sql.UNFINISHED_HOSTS, {"run": run}))

    def live(self, runs: Iterable[str]) -> set[str]:
        locked = set(live_runs(self._state_dir))
        return {run for run in runs if run in locked}


class HoldersOnServer:
    """By what connections hold; a ledger's clock is that of its server."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._is_held = cache(lambda name: bool(connection.held([name])))

    def may_hold(self, lease: LeftLease) -> bool:
        if lease.gateway is not None and self._is_held(lease.gateway):
            return True
        return not _has_passed(lease.ends_at, self._db.now())

    def serves(self, run: str, gateway: str) -> bool:
        return self._is_held(gateway)

    def may_serve(self, run: str) -> bool | None:
        """One whose connection was lost may still serve it, until its leases have ended."""
        if not self._db.rows(sql.FIND_RUN, {"run": run}):
            return None
        if self._is_held(served(run)):
            return True
        left = (LeftLease(**row) for row in self._db.rows(sql.OPEN_LEASES, {}))
        return any(lease.run == run and self.may_hold(lease) for lease in left)

    def live(self, runs: Iterable[str]) -> set[str]:
        names = {served(run): run for run in runs}
        return {names[name] for name in self._db.held(names)}


def _has_passed(ends_at: str, now: datetime) -> bool:
    end = read_instant(ends_at)
    return end is not None and now > end
