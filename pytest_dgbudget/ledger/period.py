"""What the ledger has of a period, over all runs: read in parts, as lean as an audit can use it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection

_LEASES_AT_ONCE = 5000


class RunOfPeriod(NamedTuple):
    """A run of the ledger: its id, where it went, and its tag."""

    id: str
    target: str
    tag: str


class SessionOfPeriod(NamedTuple):
    """One dial. ``ms`` is None when nobody saw its end, ``handshake_ms`` when it never opened.

    ``only_tier``: the one that it had from beginning to end; None where that changed, is an estimate, or isn't known.
    """

    id: str
    run: str
    lease: str
    opened_at: str
    closed_at: str | None
    request_id: str | None
    ms: int | None
    handshake_ms: int | None
    closing_ms: int | None
    tagged: int | None
    micro_usd: int | None
    only_tier: str | None


class UnseenLease(NamedTuple):
    """A lease whose end nobody saw (``orphaned``), or that has none (None). Of its sessions, ``seen_ms`` were metered.

    ``stated_ms`` is what a reconciliation has learned of it since.
    """

    id: str
    run: str
    taken_at: str
    allowance_ms: int
    micro_usd: int | None
    how: str | None
    ended_ms: int | None
    ended_micro_usd: int | None
    stated_ms: int | None
    seen_ms: int
    seen_micro_usd: int


class ArchivedRuns(NamedTuple):
    """Runs of which something that was later than an instant is in an archive, and their requests, by id."""

    runs: frozenset[str]
    requests: Mapping[str, str]


class PeriodReader:
    """Reads what runs had that went to ``target``; what else there was is counted. Instants are as the ledger has them.

    To be used within ``snapshot``, so that its answers are consistent; raises LedgerError. ``leases_since``: no lease
    that was taken before lasts until anything that is asked for.
    """

    def __init__(self, connection: Connection, target: str, leases_since: str) -> None:
        self._db = connection
        self._target = target
        self._leases_since = leases_since

    def runs(self) -> list[RunOfPeriod]:
        """Return all runs of the ledger, of every target and time."""
        return [RunOfPeriod(**row) for row in self._db.rows(sql.ALL_RUNS, {})]

    def archived(self, since: str) -> ArchivedRuns:
        """Return the runs whose archived part ended since then."""
        runs = self._db.rows(sql.ARCHIVED_SINCE, {"since": since})
        requests = self._db.rows(sql.ARCHIVED_REQUESTS, {"since": since})
        return ArchivedRuns(frozenset(row["run"] for row in runs), {row["request_id"]: row["run"] for row in requests})

    def run_keys(self) -> dict[str, str]:
        """Return the run of each key that was made for one, by the key's id."""
        return {row["id"]: row["run"] for row in self._db.rows(sql.KEYS_OF_ALL_RUNS, {})}

    def projects(self) -> dict[str, str]:
        """Return, by run, the project of the statement that it was compared with, where that is known."""
        values = {"since": self._leases_since, "target": self._target}
        found = self._db.rows(sql.RECONCILIATIONS_OF_PERIOD, values)
        projects = {row["run"]: json.loads(row["document"]).get("project") for row in found}
        return {run: project for run, project in projects.items() if project is not None}

    def sessions(self, since: str) -> Iterator[SessionOfPeriod]:
        """Yield every session that was dialled since then, in no particular order."""
        yield from (SessionOfPeriod(**row) for row in self._in_parts(sql.SESSIONS_OF_PERIOD, since))

    def unseen_leases(self, since: str) -> list[UnseenLease]:
        """Return the leases that were taken since then and whose use nobody saw to the end, in their order."""
        return [UnseenLease(**row) for row in self._in_parts(sql.UNSEEN_LEASES, since)]

    def other_sessions(self, since: str) -> dict[str, int]:
        """Count the sessions since then that went elsewhere, by target."""
        counts: dict[str, int] = {}
        for row in self._in_parts(sql.OTHER_SESSIONS, since):
            counts[row["target"]] = counts.get(row["target"], 0) + row["sessions"]
        return counts

    def _in_parts(self, statement: str, since: str) -> Iterator[Mapping[str, Any]]:
        found = self._db.rows(sql.FIRST_LEASE_SINCE, {"since": self._leases_since})
        if not found:
            return
        first: int = found[0]["number"]
        last: int = self._db.rows(sql.LAST_LEASE, {})[0]["number"]
        asked = {"since": since, "target": self._target}
        for start in range(first, last + 1, _LEASES_AT_ONCE):
            yield from self._db.rows(statement, {**asked, "first": start, "end": start + _LEASES_AT_ONCE})
