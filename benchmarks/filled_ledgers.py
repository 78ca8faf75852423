"""Ledgers with a past, written by the product's own tables and statements, in bulk."""

from __future__ import annotations

import atexit
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from secrets import token_hex
from typing import Any

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger import schema, sql
from pytest_dgbudget.ledger.ids import id_at
from pytest_dgbudget.ledger.overruns import cut_columns
from pytest_dgbudget.ledger.replays import replay_columns

Row = Mapping[str, Any]

# Measured: with its indices, one session takes 1.5 KiB.
_BYTES_A_SESSION = 2000
_BEGAN = datetime(2024, 1, 1, tzinfo=timezone.utc)
# An invocation.
EVERY = timedelta(minutes=10)
_ALLOWANCE_MS, _USED_MS, _MICRO_USD_PER_MINUTE = 60_000, 12_000, 75_000
_MICRO_USD = _USED_MS * _MICRO_USD_PER_MINUTE // 60_000
# Later ones come after those that have what they number.
_IN_ORDER = (
    sql.INSERT_ATTEMPT,
    sql.INSERT_LEASE,
    sql.INSERT_DIAL,
    sql.INSERT_WELCOME,
    sql.INSERT_USAGE,
    sql.INSERT_TIER_SPAN,
    sql.INSERT_TURN,
    sql.END_LEASE,
    sql.INSERT_OUTCOME,
)


def _by_position(statement: str) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
    """To find each value by its name takes SQLite as long as to insert the row."""
    return re.sub(r":\w+", "?", statement), itemgetter(*re.findall(r":(\w+)", statement))


_BY_POSITION = [_by_position(statement) for statement in _IN_ORDER]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """How many runs there were, invocations in each, and sessions in each of these: one for each test."""

    runs: int
    invocations: int
    sessions: int

    @property
    def all_sessions(self) -> int:
        return self.runs * self.invocations * self.sessions


class Files:
    """Ledgers of one past, made when they are first asked for: in this folder, or in one that is removed at exit."""

    def __init__(self, past: Past, folder: Path | None = None) -> None:
        self.past = past
        self._given = folder

    @cached_property
    def folder(self) -> Path:
        if self._given:
            return self._given
        folder = tempfile.TemporaryDirectory(prefix="dgbudget-history-")
        atexit.register(folder.cleanup)
        return Path(folder.name)

    @cached_property
    def filled(self) -> Path:
        return self._made("filled", self.past)

    @property
    def empty(self) -> Path:
        """A fresh copy: nothing has ever been in it."""
        copied = self.folder / "empty.db"
        shutil.copy(self._tables, copied)
        return copied

    @cached_property
    def _tables(self) -> Path:
        return self._made("tables", Past(runs=0, invocations=0, sessions=0))

    @cached_property
    def without_index(self) -> Path:
        copied = self.folder / "without-index.db"
        shutil.copy(self.filled, copied)
        with closing(sqlite3.connect(copied)) as ledger:
            ledger.execute("DROP INDEX lease_in_run")
        return copied

    def _made(self, name: str, past: Past) -> Path:
        path = self.folder / f"{name}.db"
        fill(path, past)
        return path

    @contextmanager
    def are_there(self) -> Iterator[None]:
        """A benchmark's setup: none of its trials waits for them."""
        if lacking := lacks_room(self.folder, 2 * self.past.all_sessions):
            raise RuntimeError(lacking)
        assert self.empty.exists()
        assert self.filled.exists()
        assert self.without_index.exists()
        yield

    @property
    def title(self) -> str:
        return f"{self.past.runs * self.past.invocations:,} {{}} and {self.past.all_sessions:,} sessions"


def fill(path: Path, past: Past, began: datetime = _BEGAN) -> None:
    """Make a ledger in which all this has been, from ``began`` on: numbered, ended, swept and closed as the product
    does it.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
        for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
            ledger.execute(f"PRAGMA {setting}")
        ledger.execute("BEGIN")
        for statement in schema.TABLES:
            ledger.execute(statement)
        version = {"version": schema.VERSION, "writable_from": schema.WRITABLE_FROM}
        ledger.execute("INSERT INTO schema (version, writable_from) VALUES (:version, :writable_from)", version)
        for number in range(past.runs * past.invocations):
            _add_invocation(ledger, past, number, began + number * EVERY)
        ledger.execute("COMMIT")
        ledger.execute("PRAGMA journal_mode=WAL")


def lacks_room(folder: Path, sessions: int) -> str:
    """Return what to say where so many sessions don't fit; nothing where they do."""
    wanted, free = sessions * _BYTES_A_SESSION, shutil.disk_usage(folder).free
    return "" if free > 2 * wanted else f"{folder} has {free >> 20:,} MiB free; {2 * wanted >> 20:,} MiB are needed"


def _add_invocation(ledger: sqlite3.Connection, past: Past, number: int, began: datetime) -> None:
    """Add one with all its sessions; ``number`` counts those before it."""
    run, nth_of_run = f"run-{number // past.invocations}", number % past.invocations
    entry = _invocation(run, number, began)
    if nth_of_run == 0:
        ledger.execute(sql.INSERT_RUN, entry)
    else:
        ledger.execute(sql.INSERT_CLOSED_SUM, _closed_sum(run, number * past.sessions, nth_of_run * past.sessions))
    ledger.execute(sql.INSERT_SWEPT, {"number": number * past.sessions})
    ledger.execute(sql.INSERT_INVOCATION, entry)
    rows = [_session(run, entry["id"], test, began) for test in range(past.sessions)]
    for (statement, in_order), of_statement in zip(_BY_POSITION, zip(*rows, strict=True), strict=True):
        ledger.executemany(statement, map(in_order, of_statement))
    ledger.execute(sql.END_INVOCATION, {"invocation": entry["id"], "exit_status": 0, "at": write_instant(began)})


def _invocation(run: str, number: int, began: datetime) -> dict[str, Any]:
    return {
        "id": f"invocation-{number}-{token_hex(4)}",
        "run": run,
        "target": "live",
        "billed": 1,
        "tag": f"dgbudget-{run}",
        "host": "here",
        "pid": 1,
        "budget_ms": 10**12,
        "cost_budget_micro_usd": None,
        "may_bypass": 0,
        "prices_as_of": "2026-11-01",
        "pace": "vendor",
        "at": write_instant(began),
    }


def _closed_sum(run: str, until: int, sessions: int) -> Row:
    sums = {"ms": sessions * _USED_MS, "micro_usd": sessions * _MICRO_USD, "unpriced_ms": 0}
    cuts = {"cut_budget_ms": None, "cut_budget_micro_usd": None}
    return {"scope": f"run:{run}", "until": until, **sums, **cuts, "at": write_instant(_BEGAN)}


def _session(run: str, invocation: str, test: int, began: datetime) -> Sequence[Row]:
    """Return the rows of a test that opened a session, one for each statement."""
    moment = began + timedelta(seconds=test)
    at = write_instant(moment)
    attempt, lease, dial, usage = (id_at(int(moment.timestamp() * 1000)) for _ in range(4))
    return [
        {**_ATTEMPT, "id": attempt, "invocation": invocation, "nodeid": f"tests/test_it.py::test_{test}", "at": at},
        {**_LEASE, "id": lease, "run": run, "attempt": attempt, "taken_at": at, "ends_at": at, "gateway": invocation},
        {"id": dial, "lease": lease, "at": at, "target": None, "run_key": None, "cassette": None},
        {"dial": dial, "request_id": token_hex(16), "handshake_ms": 80},
        {**_USAGE, "id": usage, "dial": dial, "request_id": token_hex(16), "closed_at": at},
        {**_TIER_SPAN, "dial": dial},
        {**_TURN, "dial": dial},
        {"lease": lease, "how": "settled", "ms": _USED_MS, "micro_usd": _MICRO_USD, "at": at},
        {"attempt": attempt, "outcome": "passed"},
    ]


_ATTEMPT = {
    "worker": "",
    "number": 1,
    "budget_ms": _ALLOWANCE_MS,
    "left_ms": _ALLOWANCE_MS,
    "target": None,
    "path": None,
    "cost_budget_micro_usd": None,
    "cost_left_micro_usd": None,
}
_LEASE = {
    "scope": "test",
    "ms": _ALLOWANCE_MS,
    "micro_usd": _MICRO_USD * _ALLOWANCE_MS // _USED_MS,
    "gateway": "gateway",
    "currency": "time",
}
_USAGE = {
    "vendor_reports": 0,
    "supersedes": None,
    "ms": _USED_MS,
    "handshake_ms": 80,
    "closing_ms": 20,
    "audio_in_ms": 4000,
    "audio_out_ms": 5000,
    "closed_by": "client",
    "close_code": 1000,
    "confirmed": 1,
    "tagged": 1,
    "reason": None,
    "tier": "standard",
    "micro_usd": _MICRO_USD,
    "estimated": 0,
    "greeting_ms": 300,
    "skipped_ms": None,
    "forecast_micro_usd": None,
    "forecast_cut": 0,
    **cut_columns(None),
    **replay_columns(None),
}
_TIER_SPAN = {
    "number": 1,
    "from_ms": 0,
    "ms": _USED_MS,
    "tier": "standard",
    "micro_usd_per_minute": _MICRO_USD_PER_MINUTE,
    "estimated": 0,
}
_TURN = {
    "number": 1,
    "started_ms": 3000,
    "since": "audio",
    "answered_ms": 3900,
    "overlapped": 0,
    "unpaced": 0,
    "continued": 0,
    "function_ms": 0,
}
