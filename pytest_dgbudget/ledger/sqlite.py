"""The ledger's SQLite backend: one file in WAL mode, every write in BEGIN IMMEDIATE."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.connection import LedgerNotWritable, Rows
from pytest_dgbudget.paths import make_folder

_WAIT_FOR_OTHERS_MS = 10_000


class SqliteConnection:
    """A connection that belongs to the thread that made it.

    ``durable``: every commit reaches the disk before it returns, as it must where money is spent.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.name = str(path)
        try:
            make_folder(path.parent)
        except OSError as error:
            raise LedgerNotWritable(
                f"the ledger's folder {path.parent} can't be created: {error}; {_WHAT_TO_DO}"
            ) from None
        with self._translated():
            self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self.execute(f"PRAGMA busy_timeout={_WAIT_FOR_OTHERS_MS}", {})
            if self.tables() <= {"schema"} or "lease_end" in self.tables():
                # Somebody else's database is left untouched, to the byte.
                self._use_wal()
            self.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}", {})
        except BaseException:
            self._connection.close()
            raise

    def tables(self) -> set[str]:
        return {row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'", {})}

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        with self._translated():
            cursor = self._connection.execute(sql, parameters)
            found = cursor.fetchall()
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> None:
        with self._translated():
            self._connection.execute(sql, parameters)

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

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads that are consistent with one another, even when nothing can be written any more."""
        with self._between("BEGIN"):
            yield

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

    def _use_wal(self) -> None:
        """SQLite's own busy timeout doesn't cover this switch while another process creates the file."""
        deadline = time.monotonic() + _WAIT_FOR_OTHERS_MS / 1000
        while not self._switched_to_wal(give_up=time.monotonic() > deadline):
            time.sleep(0.01)

    def _switched_to_wal(self, *, give_up: bool) -> bool:
        try:
            self.execute("PRAGMA journal_mode=WAL", {})
        except LedgerError as error:
            if give_up or "locked" not in str(error):
                raise
            return False
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = LedgerNotWritable if any(sign in str(error) for sign in _NOT_WRITABLE) else LedgerError
            raise kind(f"the ledger {self.name} can't be used: {error}; {_WHAT_TO_DO}") from error


# SQLite's own wording; Python 3.10 doesn't have its error codes.
_NOT_WRITABLE = ("unable to open database file", "readonly database", "disk is full")
_WHAT_TO_DO = "make it readable and writable, move it away, or name another one with --dg-ledger=sqlite:///PATH"
