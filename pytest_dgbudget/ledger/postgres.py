"""The ledger's PostgreSQL backend: one budget and one history for all machines that reach the server.

psycopg is imported on use, and here only.
"""

from __future__ import annotations

import hashlib
import re
import select
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import LedgerLocked, LedgerNotWritable, LedgerUnreachable, Rows
from pytest_dgbudget.ledger.reconnect_pause import ReconnectPause

if TYPE_CHECKING:
    from psycopg import Connection, Cursor, Error

WAIT_SECONDS = 10
_SHORTEST_WAIT_SECONDS = 0.25
_CHANNEL = "dgbudget"

# A connection that is cut without a word is noticed within half a minute. What the URL says comes before these.
_CONNECT: Mapping[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "pytest-dgbudget",
}
# Whoever stops in the middle of a transaction must not keep the ledger from all others.
_SESSION = (
    ("synchronous_commit", "on"),
    ("lock_timeout", f"{WAIT_SECONDS}s"),
    ("idle_in_transaction_session_timeout", f"{2 * WAIT_SECONDS}s"),
    ("timezone", "UTC"),
    # As long as the server has no statistics it takes every table for a small one. A lease is decided in a millisecond.
    ("enable_seqscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
)
_LOCKED = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock timeout
_NOT_WRITABLE = {"25006", "42501", "53100"}  # read-only transaction, insufficient privilege, disk full

_TABLES = """SELECT relname AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND relkind IN ('r', 'p')"""
# Whoever excludes others doesn't keep them waiting for the disk as well: what was committed is flushed afterwards.
_EXCLUDE = """SELECT set_config('lock_timeout', :wait, true), set_config('synchronous_commit', 'off', true),
    pg_advisory_xact_lock(:key), clock_timestamp() AS now"""
_FLUSH = "SELECT pg_logical_emit_message(true, 'dgbudget', '')"
_HOLD = "SELECT pg_advisory_lock_shared(:key)"
_SIZE = """SELECT CAST(COALESCE(SUM(pg_total_relation_size(quote_ident(tablename)::regclass)), 0) AS BIGINT) AS bytes
    FROM pg_tables WHERE schemaname = current_schema()"""
_HELD = """SELECT classid::bigint AS high, objid::bigint AS low FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class PostgresConnection:
    """A connection that belongs to the thread that made it, and is made anew when it is lost.

    ``url`` has no password: that is ``password``, or where libpq looks for one (PGPASSWORD, ~/.pgpass). What was held
    is held again after a loss. Raises LedgerUnreachable while there is no connection.
    """

    shares_runs = True

    def __init__(self, url: str, password: str | None) -> None:
        self.name = url
        self._password = password
        self._held: list[str] = []
        self._waits_since: float | None = None
        self._version = 0
        self._in_transaction = self._has_written = False
        self._excluded_at: datetime | None = None
        self._error: LedgerError | None = None
        self._tries_again_at = 0.0
        self._pause = ReconnectPause()
        self._connection = self._connect()

    def wait_since(self, asked_at: float) -> None:
        self._waits_since = asked_at

    def tables(self) -> set[str]:
        return {row["name"] for row in self.rows(_TABLES, {})}

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        with self._ran(sql, parameters) as cursor:
            found = cursor.fetchall()
            names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found]

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        with self._ran(sql, parameters) as cursor:
            self._has_written = True
            return cursor.rowcount

    def now(self) -> datetime:
        """Return the instant; while others are excluded, that at which they were."""
        if self._excluded_at is None:
            return _utc(self.rows("SELECT clock_timestamp() AS now", {}))
        return self._excluded_at

    def version(self) -> int:
        """Others may have written whenever they were not excluded: the same is returned while they are."""
        if not self._in_transaction:
            self._version += 1
        return self._version

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another transaction, a part of that. Others may write: see ``exclude``."""
        with nullcontext() if self._in_transaction else self._between("BEGIN"):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._between("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    def exclude(self, what: str) -> None:
        waited = 0.0 if self._waits_since is None else time.monotonic() - self._waits_since
        wait_ms = round(max(_SHORTEST_WAIT_SECONDS, WAIT_SECONDS - waited) * 1000)
        self._excluded_at = _utc(self.rows(_EXCLUDE, {"wait": f"{wait_ms}ms", "key": _key(what)}))
        self._version += 1

    def announce(self) -> None:
        self.execute(f"NOTIFY {_CHANNEL}", {})

    def hold(self, what: str) -> None:
        self._held.append(what)
        self.rows(_HOLD, {"key": _key(what)})

    def held(self, names: Iterable[str]) -> set[str]:
        keys = {(row["high"], row["low"]) for row in self.rows(_HELD, {})}
        return {name for name in names if divmod(_key(name) % 2**64, 2**32) in keys}

    def size(self) -> int:
        """Its tables' and their indices': other tables of the database are not ours."""
        return int(self.rows(_SIZE, {})[0]["bytes"])

    def reclaim(self) -> bool:
        """The server keeps the room for rows to come."""
        for table in sorted(self.tables()):
            self.execute(f"VACUUM {table}", {})
        return True

    def rebuild(self) -> None:
        for table in sorted(self.tables()):
            self.execute(f"VACUUM FULL {table}", {})

    def close(self) -> None:
        """The server notices the end of a connection a little later: what was held is let go of before."""
        if self._held and not self._connection.closed:
            with suppress(LedgerError):
                self.rows("SELECT pg_advisory_unlock_all()", {})
        self._connection.close()

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self._reconnect_if_lost()
        self._version += 1
        self.execute(begin, {})
        self._in_transaction, self._has_written = True, False
        try:
            yield
            self._commit()
            if self._excluded_at is not None and self._has_written:
                self.rows(_FLUSH, {})  # by this connection, or never: another one knows nothing of what is lost
        except BaseException:
            if not self._connection.closed:
                with suppress(LedgerError):
                    self.execute("ROLLBACK", {})
            raise
        finally:
            self._in_transaction = False
            self._excluded_at = None

    def _commit(self) -> None:
        """Where a statement has failed and somebody went on, the server takes everything back without an error."""
        with self._ran("COMMIT", {}) as cursor:
            if cursor.statusmessage != "COMMIT":
                raise LedgerError(f"a part of a transaction of the ledger {self.name} has failed, so nothing was kept")

    @contextmanager
    def _ran(self, sql: str, parameters: Mapping[str, Any]) -> Iterator[Cursor[Any]]:
        try:
            cursor = self._run(sql, parameters)
        except LedgerUnreachable:
            if self._in_transaction:
                raise
            cursor = self._run(sql, parameters)  # nothing has begun: the connection was cut while it was idle
        with self._translated(), cursor:
            yield cursor

    def _run(self, sql: str, parameters: Mapping[str, Any]) -> Cursor[Any]:
        if not self._in_transaction:
            self._reconnect_if_lost()
        with self._translated():
            return self._connection.execute(_with_their_parameters(sql), parameters or None)

    def _reconnect_if_lost(self) -> None:
        """A server that could not be reached just now is not asked again at once."""
        if not self._connection.closed:
            return
        if self._error is not None and time.monotonic() < self._tries_again_at:
            raise self._error
        try:
            self._connection = self._connect()
        except LedgerError as error:
            self._pause.failed()
            self._error, self._tries_again_at = error, time.monotonic() + self._pause.seconds
            raise
        self._error = None
        self._pause.succeeded()
        for what in self._held:
            self.rows(_HOLD, {"key": _key(what)})

    def _connect(self) -> Connection[Any]:
        psycopg = _psycopg()
        with self._translated():
            given = psycopg.conninfo.conninfo_to_dict(self.name)
            connection: Connection[Any] = psycopg.connect(
                **{**_CONNECT, **given, "password": self._password or given.get("password")},
                autocommit=True,
                prepare_threshold=0,
            )
            _adapt(connection)
            for name, value in _SESSION:
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _psycopg().Error as error:
            raise self._as_ours(error) from error

    def _as_ours(self, error: Error) -> LedgerError:
        said = " ".join(str(error).split())
        if error.sqlstate in _LOCKED:
            return LedgerLocked(f"the ledger {self.name} is locked by another process ({said}); end that process")
        if error.sqlstate in _NOT_WRITABLE:
            return LedgerNotWritable(f"the ledger {self.name} can't be written: {said}; {_RIGHTS}")
        if isinstance(error, _psycopg().OperationalError):
            return LedgerUnreachable(f"the ledger {self.name} can't be reached: {said}; {_REACH}")
        return LedgerError(f"the ledger {self.name} can't be used: {said}")


class PostgresWatch:
    """Listens to what ``announce`` tells."""

    def __init__(self, url: str, password: str | None) -> None:
        self._ledger = PostgresConnection(url, password)
        self._ledger.execute(f"LISTEN {_CHANNEL}", {})
        self._connection = self._ledger._connection

    def has_changed(self, seconds: float) -> bool:
        pgconn = self._connection.pgconn
        with self._ledger._translated():
            if select.select([self._connection], [], [], seconds)[0]:
                pgconn.consume_input()
            told = False
            while pgconn.notifies() is not None:
                told = True
        return told

    def close(self) -> None:
        self._ledger.close()


_REACH = "see whether this machine reaches the server, and the name and password in DG_LEDGER, PGPASSWORD or ~/.pgpass"
_RIGHTS = (
    "its user needs the right to create tables in that schema for its first run, and to read and insert after that"
)


@cache
def _with_their_parameters(sql: str) -> str:
    """Return a statement with its named parameters as psycopg has them."""
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", sql.replace("%", "%%"))


def _utc(rows: Rows) -> datetime:
    now: datetime = rows[0]["now"]
    return now.astimezone(timezone.utc)


def _key(what: str) -> int:
    """What the server knows a lock by: a number of 64 bits."""
    return int.from_bytes(hashlib.sha256(f"dgbudget:{what}".encode()).digest()[:8], "big", signed=True)


def _psycopg() -> ModuleType:
    try:
        import psycopg
    except ImportError as error:
        raise LedgerError(
            f"a ledger on PostgreSQL needs psycopg, which can't be imported ({error}): "
            "pip install 'pytest-dgbudget[postgres]'"
        ) from error
    return psycopg


def _adapt(connection: Connection[Any]) -> None:
    """Sums are whole numbers, as in SQLite, and truths are 0 and 1."""
    from psycopg.adapt import Dumper, Loader

    class WholeNumber(Loader):
        def load(self, data: Any) -> int:
            return int(bytes(data))

    class Truth(Dumper):
        oid = connection.adapters.types["int2"].oid

        def dump(self, obj: bool) -> bytes:
            return b"1" if obj else b"0"

    connection.adapters.register_loader("numeric", WholeNumber)
    connection.adapters.register_dumper(bool, Truth)
