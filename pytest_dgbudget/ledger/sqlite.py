"""The ledger's SQLite backend: one file in WAL mode, every write in BEGIN IMMEDIATE."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import LedgerLocked, LedgerNotWritable, Rows, Statement
from pytest_dgbudget.paths import make_folder

WAIT_SECONDS = 10
# What is left of that to a call that has waited for its turn before: whoever is still writing then has been waited for.
_SHORTEST_WAIT_SECONDS = 0.25
_LOOKS_EVERY_SECONDS = 0.1


class SqliteConnection:
    """A connection that belongs to the thread that made it.

    ``durable``: every commit reaches the disk before it returns, as it must where money is spent.
    """

    shares_runs = False

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.name = str(path)
        self._waits_since: float | None = time.monotonic()
        try:
            make_folder(path.parent)
        except OSError as error:
            raise LedgerNotWritable(
                f"the ledger's folder {path.parent} can't be created: {error}; {_WHAT_TO_DO}"
            ) from None
        with self._translated():
            self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._wait_at_most(WAIT_SECONDS)
            if self.tables() <= {"schema"} or "lease_end" in self.tables():
                # Somebody else's database is left untouched, to the byte.
                self._use_wal()
            self.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}", {})
        except BaseException:
            self._connection.close()
            raise
        self._waits_since = None

    def wait_since(self, asked_at: float) -> None:
        self._waits_since = asked_at
        self._wait_at_most(max(_SHORTEST_WAIT_SECONDS, asked_at + WAIT_SECONDS - time.monotonic()))

    def tables(self) -> set[str]:
        return {row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'", {})}

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        with self._translated():
            cursor = self._connection.execute(sql, parameters)
            found = cursor.fetchall()
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        with self._translated():
            return self._connection.execute(sql, parameters).rowcount

    def insert(self, sql: str, parameters: Mapping[str, Any]) -> None:
        self.execute(sql, parameters)

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def version(self) -> int:
        """A number that changes when another connection has written."""
        version: int = self.rows("PRAGMA data_version", {})[0]["data_version"]
        return version

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, with no other writer meanwhile; inside another transaction, a part of that."""
        with self._translated():
            is_part = self._connection.in_transaction
        with nullcontext() if is_part else self._between("BEGIN IMMEDIATE"):
            yield

    def exclude(self, what: str, reads: Sequence[Statement] = ()) -> None:
        """Nothing to do: BEGIN IMMEDIATE has kept every other writer out."""

    def announce(self) -> None:
        """Nothing to do: ``version`` tells."""

    def hold(self, what: str) -> None:
        """Nothing to do: who serves a run on a file has its lock (``run_lock``)."""

    def held(self, names: Iterable[str]) -> set[str]:
        return set()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads that are consistent with one another, even when nothing can be written any more."""
        with self._between("BEGIN"):
            yield

    def size(self) -> int:
        """The file's, with what it holds without using it."""
        (pages,), (size,) = (self.rows(f"PRAGMA {what}", {})[0].values() for what in ("page_count", "page_size"))
        return int(pages) * int(size)

    def reclaim(self) -> bool:
        """In steps, each of which others hardly wait for; they need a file that was rebuilt before."""
        if self.rows("PRAGMA auto_vacuum", {})[0]["auto_vacuum"] != _INCREMENTAL:
            return False
        while self.rows("PRAGMA freelist_count", {})[0]["freelist_count"]:
            with self._translated():
                self._connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
        self._shorten_file()
        return True

    def rebuild(self) -> None:
        self.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}", {})
        self.execute("VACUUM", {})
        self._shorten_file()

    def _shorten_file(self) -> None:
        """What is free at its end goes when the log is copied into it; who reads meanwhile has that done later."""
        with self._translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self.execute(begin, {})
        try:
            yield
            self.execute("COMMIT", {})
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()

    def _wait_at_most(self, seconds: float) -> None:
        self.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}", {})

    def _use_wal(self) -> None:
        """SQLite's own busy timeout doesn't cover this switch while another process creates the file."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._switched_to_wal(give_up=time.monotonic() > deadline):
            time.sleep(0.01)

    def _switched_to_wal(self, *, give_up: bool) -> bool:
        try:
            self.execute("PRAGMA journal_mode=WAL", {})
        except LedgerLocked:
            if give_up:
                raise
            return False
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        waits_since = time.monotonic() if self._waits_since is None else self._waits_since
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise LedgerLocked(
                    f"the ledger {self.name} is locked by another process, which did not release it within "
                    f"{time.monotonic() - waits_since:.0f} s; end that process, or name another ledger with "
                    "--dg-ledger=sqlite:///PATH"
                ) from error
            kind = LedgerNotWritable if any(sign in str(error) for sign in _NOT_WRITABLE) else LedgerError
            raise kind(f"the ledger {self.name} can't be used: {error}; {_WHAT_TO_DO}") from error


class SqliteWatch:
    """Looks ten times a second whether another connection has written into a ledger that is there."""

    def __init__(self, path: Path) -> None:
        self._connection = SqliteConnection(path, durable=False)
        self._version = self._connection.version()

    def has_changed(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (version := self._connection.version()) == self._version and time.monotonic() < deadline:
            time.sleep(_LOOKS_EVERY_SECONDS)
        changed, self._version = version != self._version, version
        return changed

    def close(self) -> None:
        self._connection.close()


_INCREMENTAL = 2  # as SQLite numbers its ways of giving pages back
_PAGES_AT_ONCE = 1000
# SQLite's own wording; Python 3.10 doesn't have its error codes.
_NOT_WRITABLE = ("unable to open database file", "readonly database", "disk is full", "disk I/O error")
_WHAT_TO_DO = "make it readable and writable, move it away, or name another one with --dg-ledger=sqlite:///PATH"
