"""The ledger's PostgreSQL backend: one budget and one history for all machines that reach the server.

psycopg is imported on use, and here only.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.answer_limit import AnswerLimit
from pytest_dgbudget.ledger.connection import LedgerLocked, LedgerNotWritable, LedgerUnreachable, Rows, Statement
from pytest_dgbudget.ledger.postgres_errors import LOCKED, NOT_WRITABLE, REACH, RIGHTS
from pytest_dgbudget.ledger.postgres_sql import (
    COMMIT,
    CONNECT,
    EXCLUDE,
    FLUSH,
    HELD,
    HOLD,
    NOTIFY,
    SESSION,
    SET,
    SIZE,
    TABLES,
    WAIT_SECONDS,
)
from pytest_dgbudget.ledger.read_ahead import ReadAhead
from pytest_dgbudget.ledger.reconnect_pause import ReconnectPause

if TYPE_CHECKING:
    from psycopg import Connection, Cursor, Error

_SHORTEST_WAIT_SECONDS = 0.25
# A server that is stopped keeps its connections, and its machine confirms what it is sent.
_ANSWER_SECONDS = 2.0 * WAIT_SECONDS

# What it can't do is an error of ours already, and needs no line in the gateway's log.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


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
        self._in_transaction = self._has_written = self._announces = False
        # What goes with the next statement, to save its way: the beginning, and then what nobody awaits an answer to.
        self._begin: str | None = None
        self._inserts: list[Statement] = []
        self._ahead = ReadAhead()
        self._excluded_at: datetime | None = None
        self._error: LedgerError | None = None
        self._tries_again_at = 0.0
        self._pause = ReconnectPause()
        self._limit = AnswerLimit(_ANSWER_SECONDS)
        self._connection = self._connect()

    def wait_since(self, asked_at: float) -> None:
        self._waits_since = asked_at

    def tables(self) -> set[str]:
        return {row["name"] for row in self.rows(TABLES, {})}

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        known = None if self._excluded_at is None else self._ahead.read((sql, parameters))
        return self._rows_of(self._run((sql, parameters))[0]) if known is None else known

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        self._ahead.forget()
        (cursor,) = self._run((sql, parameters))
        self._has_written = True
        return cursor.rowcount

    def insert(self, sql: str, parameters: Mapping[str, Any]) -> None:
        if not self._in_transaction or self._begin is not None:
            self.execute(sql, parameters)
        else:
            self._ahead.forget()
            self._has_written = True
            self._inserts.append((sql, parameters))

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

    def exclude(self, what: str, reads: Sequence[Statement] = ()) -> None:
        waited = 0.0 if self._waits_since is None else time.monotonic() - self._waits_since
        wait_ms = round(max(_SHORTEST_WAIT_SECONDS, WAIT_SECONDS - waited) * 1000)
        reads = [*reads, *self._ahead.likely()]
        now, *found = map(self._rows_of, self._run((EXCLUDE, {"wait": f"{wait_ms}ms", "key": _key(what)}), *reads))
        self._ahead.fetched(reads, found)
        self._excluded_at = _utc(now)
        self._version += 1

    def announce(self) -> None:
        """Once is enough: with the commit."""
        if self._in_transaction:
            self._announces = True
        else:
            self.execute(NOTIFY, {})

    def hold(self, what: str) -> None:
        self._held.append(what)
        self.rows(HOLD, {"key": _key(what)})

    def held(self, names: Iterable[str]) -> set[str]:
        keys = {(row["high"], row["low"]) for row in self.rows(HELD, {})}
        return {name for name in names if divmod(_key(name) % 2**64, 2**32) in keys}

    def size(self) -> int:
        """Its tables' and their indices': other tables of the database are not ours."""
        return int(self.rows(SIZE, {})[0]["bytes"])

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
        self._limit.close()
        self._connection.close()

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self._reconnect_if_lost()
        self._version += 1
        self._begin, self._in_transaction, self._has_written, self._announces = begin, True, False, False
        try:
            yield
            self._commit()
        except BaseException:
            self._inserts = []
            if self._begin is None and not self._connection.closed:
                with suppress(LedgerError):
                    self.execute("ROLLBACK", {})
            raise
        finally:
            self._in_transaction = False
            self._begin = self._excluded_at = None
            self._ahead.forget()

    def _commit(self) -> None:
        """Where a statement has failed and somebody went on, the server takes everything back without an error.

        What is flushed is so by this connection, or never: another one knows nothing of what is lost.
        """
        if self._begin is not None:
            return  # nothing was done
        notify = [NOTIFY] if self._announces else []
        flush = [FLUSH] if self._excluded_at is not None and self._has_written else []
        ends: list[Statement] = [(sql, {}) for sql in (*notify, COMMIT, *flush)]
        committed = self._send([*self._waiting(), *ends])[-1 - len(flush)]
        if committed.statusmessage != COMMIT:
            raise LedgerError(f"a part of a transaction of the ledger {self.name} has failed, so nothing was kept")

    def _run(self, *statements: Statement) -> list[Cursor[Any]]:
        """Run what waits for the next statement, and these; return the cursors of these."""
        has_begun = self._in_transaction and self._begin is None
        waiting = self._waiting()
        try:
            if not has_begun:
                self._reconnect_if_lost()
            return self._send([*waiting, *statements])[len(waiting) :]
        except LedgerUnreachable:
            if has_begun or not self._connection.closed:
                raise  # what is left of a statement that the server gave up is taken back first
            self._reconnect_if_lost()  # nothing has begun: the connection was cut while it was idle
            return self._send([*waiting, *statements])[len(waiting) :]

    def _rows_of(self, cursor: Cursor[Any]) -> Rows:
        with self._translated(), cursor:
            found = cursor.fetchall()
            names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found]

    def _waiting(self) -> list[Statement]:
        """Return what goes before the next statement."""
        begin: list[Statement] = [] if self._begin is None else [(self._begin, {})]
        waiting, self._begin, self._inserts = [*begin, *self._inserts], None, []
        return waiting

    def _send(self, statements: Sequence[Statement]) -> list[Cursor[Any]]:
        """Run statements, all on one way to the server and back where libpq can."""
        in_one = len(statements) > 1 and _psycopg().Pipeline.is_supported()
        with self._translated(), self._limited(), self._connection.pipeline() if in_one else nullcontext():
            return [
                self._connection.execute(_with_their_parameters(sql), parameters or None)
                for sql, parameters in statements
            ]

    def _limited(self) -> AbstractContextManager[None]:
        """Where nobody counts how long others are waited for, nobody else waits for the answer."""
        return nullcontext() if self._waits_since is None else self._limit.on(self._connection.pgconn.socket)

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
            self.rows(HOLD, {"key": _key(what)})

    def _connect(self) -> Connection[Any]:
        psycopg = _psycopg()
        with self._translated():
            given = psycopg.conninfo.conninfo_to_dict(self.name)
            connection: Connection[Any] = psycopg.connect(
                **{**CONNECT, **given, "password": self._password or given.get("password")},
                autocommit=True,
                prepare_threshold=0,
            )
            _adapt(connection)
            connection.execute(SET, ([name for name, _ in SESSION], [value for _, value in SESSION]))
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _psycopg().Error as error:
            raise self._as_ours(error) from error

    def _as_ours(self, error: Error) -> LedgerError:
        said = " ".join(str(error).split())
        if error.sqlstate in LOCKED:
            return LedgerLocked(f"the ledger {self.name} is locked by another process ({said}); end that process")
        if error.sqlstate in NOT_WRITABLE:
            return LedgerNotWritable(f"the ledger {self.name} can't be written: {said}; {RIGHTS}")
        if isinstance(error, _psycopg().OperationalError):
            return LedgerUnreachable(f"the ledger {self.name} can't be reached: {said}; {REACH}")
        return LedgerError(f"the ledger {self.name} can't be used: {said}")


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
