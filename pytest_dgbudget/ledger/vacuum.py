"""Take the details of old runs out of a ledger, once an archive has them; what they add up to stays.

Of a run that is archived the ledger keeps its row, closed sums (of itself, its paths and its days), what it came to,
and the ids of requests that the vendor may still state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from pytest_dgbudget.instants import utc_now, write_instant
from pytest_dgbudget.ledger import period_sql, sql
from pytest_dgbudget.ledger.closed_sums import ALL_LEASES, ClosedSums
from pytest_dgbudget.ledger.connection import LEASES, Connection
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.scopes import scope_of_path, scope_of_run
from pytest_dgbudget.ledger.sums import Sum
from pytest_dgbudget.rules.vacuum import KeptRun, LedgerState, OldRun, is_old, why_kept

# A gateway that was killed ends no invocation, and one on another machine may go on: nothing lasts so long in silence.
_SILENT = timedelta(days=7)
# So that what comes later of the same run id is on another day: hours and dollars are stated by the day.
_SHORTEST_AGE = timedelta(days=1)
# The vendor keeps requests for 90 days, and documents not which.
_STATED = timedelta(days=100)
# How many leases are removed in one transaction: others wait meanwhile.
_LEASES_AT_ONCE = 1000

_OF_INVOCATION = "invocation IN (SELECT invocation.id FROM invocation WHERE invocation.run = :run)"
_OF_ATTEMPT = """attempt IN (SELECT attempt.id FROM attempt
    JOIN invocation ON invocation.id = attempt.invocation WHERE invocation.run = :run)"""
_OF_LEASE = "lease IN (SELECT lease.id FROM lease WHERE lease.run = :run)"
_OF_DIAL = "dial IN (SELECT dial.id FROM dial JOIN lease ON lease.id = dial.lease WHERE lease.run = :run)"
_OF_RUN_KEY = "run_key IN (SELECT run_key.id FROM run_key WHERE run_key.run = :run)"
# What is removed of a run, by table: what refers to others comes before these.
REMOVED: Mapping[str, str] = {
    "made_cassette": _OF_DIAL,
    "vendor_latency": _OF_DIAL,
    "violation": _OF_DIAL,
    "turn": _OF_DIAL,
    "tier_span": _OF_DIAL,
    "usage": _OF_DIAL,
    "welcome": _OF_DIAL,
    "dial": _OF_LEASE,
    "billed": _OF_LEASE,
    "stated": _OF_LEASE,
    "lease_end": _OF_LEASE,
    "lease": "run = :run",
    "bypass": "run = :run",
    "refusal": _OF_ATTEMPT,
    "wait": _OF_ATTEMPT,
    "outcome": _OF_ATTEMPT,
    "attempt": _OF_INVOCATION,
    "reconciliation": "run = :run",
    "run_key_end": _OF_RUN_KEY,
    "run_key": "run = :run",
    "invocation_end": _OF_INVOCATION,
    "invocation": "run = :run",
}
# What is about more than one run, or stays of each.
KEPT = frozenset({"schema", "run", "swept", "closed_sum", "waiter", "archived", "archived_request"})

_OLD_RUNS = """SELECT run.id AS id, run.target AS target, MAX(invocation.at) AS begun_at,
        MAX(invocation_end.at) AS ended_at, COUNT(*) - COUNT(invocation_end.at) AS unfinished,
        (SELECT MAX(lease.taken_at) FROM lease WHERE lease.run = run.id) AS taken_at,
        (SELECT MAX(lease.number) FROM lease WHERE lease.run = run.id) AS last_lease,
        (SELECT COUNT(*) FROM lease WHERE lease.run = run.id) AS leases,
        (SELECT COUNT(*) FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
            WHERE lease.run = run.id AND lease_end.lease IS NULL) AS open_leases
    FROM run JOIN invocation ON invocation.run = run.id
    LEFT JOIN invocation_end ON invocation_end.invocation = invocation.id
    WHERE run.at < :before GROUP BY run.id, run.target ORDER BY MIN(invocation.at), run.id"""
_DAY = "SUBSTR(lease.taken_at, 1, 10)"
_DAYS_OF_RUN = f"""SELECT DISTINCT {_DAY} AS day FROM lease JOIN run ON run.id = lease.run
    WHERE lease.run = :run AND run.billed = 1 ORDER BY day"""
_OPEN_DAYS = f"""SELECT DISTINCT {_DAY} AS day FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id
    WHERE lease.number > (SELECT COALESCE(MAX(number), 0) FROM swept) AND lease_end.lease IS NULL"""
_PATHS_OF_RUN = """SELECT DISTINCT attempt.path AS path FROM lease JOIN attempt ON attempt.id = lease.attempt
    WHERE lease.run = :run AND attempt.path IS NOT NULL ORDER BY path"""
_LEASES_OF_RUN = """SELECT COUNT(*) AS leases, COALESCE(MAX(number), 0) AS last FROM lease WHERE run = :run"""
_OPENED = """SELECT COUNT(*) AS sessions FROM lease JOIN dial ON dial.lease = lease.id
    LEFT JOIN welcome ON welcome.dial = dial.id
    LEFT JOIN usage ON usage.dial = dial.id AND usage.supersedes IS NULL
    WHERE lease.run = :run AND dial.target IS NULL AND dial.cassette IS NULL
        AND COALESCE(usage.handshake_ms, welcome.handshake_ms) IS NOT NULL"""
_SPAN = """SELECT MIN(invocation.at) AS began_at, MAX(COALESCE(invocation_end.at, invocation.at)) AS ended_at,
        (SELECT MAX(lease.ends_at) FROM lease WHERE lease.run = :run) AS lasted_until
    FROM invocation LEFT JOIN invocation_end ON invocation_end.invocation = invocation.id
    WHERE invocation.run = :run"""
_INSERT_ARCHIVED = """INSERT INTO archived (run, file, at, began_at, ended_at, sessions, ms, micro_usd, replays,
        saved_ms, saved_micro_usd, seq)
    SELECT :run, :file, :at, :began_at, :ended_at, :sessions, :ms, :micro_usd, :replays, :saved_ms, :saved_micro_usd,
        COALESCE(MAX(seq), -1) + 1
    FROM archived WHERE run = :run"""
_REQUEST_ID = "COALESCE(usage.request_id, welcome.request_id)"
_INSERT_REQUESTS = f"""INSERT INTO archived_request (request_id, run)
    SELECT DISTINCT {_REQUEST_ID}, lease.run
    FROM lease JOIN run ON run.id = lease.run JOIN dial ON dial.lease = lease.id
    LEFT JOIN welcome ON welcome.dial = dial.id
    LEFT JOIN usage ON usage.dial = dial.id AND usage.supersedes IS NULL
    WHERE lease.run = :run AND run.target <> 'emulator' AND dial.target IS NULL AND dial.cassette IS NULL
        AND dial.at >= :since AND {_REQUEST_ID} IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM archived_request WHERE archived_request.request_id = {_REQUEST_ID})"""
_FORGET_REQUESTS = """DELETE FROM archived_request
    WHERE run NOT IN (SELECT archived.run FROM archived WHERE archived.ended_at >= :since)"""


class Plan(NamedTuple):
    """The runs to be removed, with how many leases each has, and those that are as old and stay."""

    removed: Mapping[str, int]
    kept: tuple[KeptRun, ...]


class Removed(NamedTuple):
    """A run that is removed, and what it came to; ``micro_usd`` None: not known of each lease."""

    run: str
    sessions: int
    ms: int
    micro_usd: int | None


class Vacuum:
    """``is_live`` returns whether a gateway serves a run. Its methods raise LedgerError."""

    def __init__(self, connection: Connection, is_live: Callable[[str], bool]) -> None:
        self._db = connection
        self._is_live = is_live
        self._sums = ClosedSums(connection)

    def plan(self, before: datetime) -> Plan:
        """Return what would be removed of the runs that ended before an instant, a day ago at the latest."""
        now = self._db.now()
        limit = write_instant(min(before, now - _SHORTEST_AGE))
        old = [run for run in self._old_runs(limit) if is_old(run, limit)]
        state, silent_since = self._state(), write_instant(now - _SILENT)
        removed, kept = {}, []
        for run in old:
            why = "live" if self._is_live(run.id) else why_kept(run, state, silent_since)
            if why is None:
                removed[run.id] = run.leases
            else:
                kept.append(KeptRun(run.id, why))
        return Plan(removed, tuple(kept))

    def came_to(self, run: str) -> Removed:
        """Return what there is of a run, as it would be removed."""
        scope = scope_of_run(run)
        sum_ = Sum(**self._db.rows(scope.statement, {**scope.values, "after": 0, "until": ALL_LEASES})[0])
        sessions = self._db.rows(_OPENED, {"run": run})[0]["sessions"]
        return Removed(run, sessions, sum_.settled_ms, None if sum_.unpriced_ms else sum_.settled_micro_usd)

    def rows(self, run: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield all that there is of a run, each row with its table: what is referred to comes first."""
        for table, where in (("run", "id = :run"), *reversed([*REMOVED.items()])):
            for row in self._db.rows(f"SELECT * FROM {table} WHERE {where}", {"run": run}):
                yield table, row

    def remove(self, runs: Mapping[str, Mapping[str, int]], file: str) -> Iterator[Removed | KeptRun]:
        """Remove runs that an archive has, and yield what became of each; several in each transaction.

        ``runs`` has how many rows of each table the archive ``file`` has of a run: rows are never changed, so one that
        has as many has the same.
        """
        for batch in self._batches(list(runs)):
            with self._db.transaction():
                self._db.exclude(LEASES)
                done = [self._removed(run, runs[run], file) for run in batch]
            yield from done

    def forget_requests(self) -> None:
        """Remove the ids of requests that the vendor doesn't state any more."""
        self._db.execute(_FORGET_REQUESTS, {"since": write_instant(self._db.now() - _STATED)})

    def _old_runs(self, before: str) -> Iterator[OldRun]:
        for row in self._db.rows(_OLD_RUNS, {"before": before}):
            instants = (row["begun_at"], row["ended_at"], row["taken_at"])
            yield OldRun(
                id=row["id"],
                target=row["target"],
                ended_at=None if row["unfinished"] else row["ended_at"],
                heard_of_at=max(each for each in instants if each is not None),
                leases=row["leases"],
                open_leases=row["open_leases"],
                last_lease=row["last_lease"],
                days=frozenset(self._days(row["id"])),
            )

    def _state(self) -> LedgerState:
        return LedgerState(
            pending=frozenset(LedgerReader(self._db).pending_runs()),
            last_lease=self._db.rows(sql.LAST_LEASE, {})[0]["number"],
            open_days=frozenset(row["day"] for row in self._db.rows(_OPEN_DAYS, {})),
        )

    def _removed(self, run: str, archived: Mapping[str, int], file: str) -> Removed | KeptRun:
        has_been_read = {table: rows for table, rows in archived.items() if table in REMOVED}
        if self._is_live(run) or self._counted(run) != has_been_read:
            return KeptRun(run, "changed")
        if not self._close_sums(run):
            return KeptRun(run, "open-day")
        removed = self._note(run, file)
        for table, where in REMOVED.items():
            self._db.execute(f"DELETE FROM {table} WHERE {where}", {"run": run})
        return removed

    def _counted(self, run: str) -> dict[str, int]:
        """Return how many rows there are of a run, by table."""
        counts = {
            table: self._db.rows(f"SELECT COUNT(*) AS n FROM {table} WHERE {where}", {"run": run})[0]["n"]
            for table, where in REMOVED.items()
        }
        return {table: count for table, count in counts.items() if count}

    def _close_sums(self, run: str) -> bool:
        """Close all sums in which leases of a run count; False where one can't be, for another lease of it is open."""
        if not all(self._sums.close_day(date.fromisoformat(day)) for day in self._days(run)):
            return False
        last = self._leases(run)["last"]
        paths = [row["path"] for row in self._db.rows(_PATHS_OF_RUN, {"run": run})]
        for scope in (scope_of_run(run), *(scope_of_path(run, path) for path in paths)):
            self._sums.close_until(scope, last)
        return True

    def _note(self, run: str, file: str) -> Removed:
        """Note what a run came to, and by which requests the vendor may know it."""
        removed, of_run = self.came_to(run), {"run": run}
        span = self._db.rows(_SPAN, of_run)[0]
        ended_at = max(span["ended_at"], span["lasted_until"] or "")  # of a run that was killed, nobody noted its end
        row = {**removed._asdict(), "began_at": span["began_at"], "ended_at": ended_at, "file": file, "at": utc_now()}
        self._db.execute(_INSERT_ARCHIVED, {**row, **self._saved(run)})
        self._db.execute(_INSERT_REQUESTS, {**of_run, "since": write_instant(self._db.now() - _STATED)})
        return removed

    def _saved(self, run: str) -> dict[str, int]:
        """Return how many of a run's sessions were replayed, and what that saved, as columns."""
        replays = self._db.rows(period_sql.REPLAYS_OF_RUN, {"run": run})[0]
        return {
            "replays": replays["sessions"],
            "saved_ms": replays["ms"],
            "saved_micro_usd": replays["micro_usd"],
        }

    def _days(self, run: str) -> Iterator[str]:
        return (row["day"] for row in self._db.rows(_DAYS_OF_RUN, {"run": run}))

    def _leases(self, run: str) -> Mapping[str, int]:
        return self._db.rows(_LEASES_OF_RUN, {"run": run})[0]

    def _batches(self, runs: Sequence[str]) -> Iterator[list[str]]:
        """Yield runs that have about as many leases together as are removed at once."""
        batch: list[str] = []
        leases = 0
        for run in runs:
            batch.append(run)
            leases += self._leases(run)["leases"] + 1
            if leases >= _LEASES_AT_ONCE:
                yield batch
                batch, leases = [], 0
        if batch:
            yield batch
