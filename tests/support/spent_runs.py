"""Runs in a ledger that spent this much at that time, written by the product's own statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

from pytest_dgbudget.instants import read_instant, write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.overruns import cut_columns
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.units import rounded_up

STANDARD = 75_000
_IDS = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """A session: how long it took, where its price is not known None a minute; lost: nobody saw its end;
    estimated: it cost at most that much.
    """

    seconds: float
    micro_usd_per_minute: int | None = STANDARD
    tier: str = "standard"
    lost: bool = False
    estimated: bool = False
    skipped_seconds: float | None = None

    def micro_usd(self, ms: int) -> int | None:
        return None if self.micro_usd_per_minute is None else rounded_up(ms * self.micro_usd_per_minute, 60_000)


def add_run(
    address: Path | str,
    run: str,
    started_at: str,
    tests: Mapping[str, Sequence[float | Took]],
    *,
    target: str = "live",
    emulated: Sequence[str] = (),
    reconciled: bool = True,
    exit_status: int = 0,
) -> None:
    """Have a run that opened these sessions of each test, one a lease, which ended at once.

    ``emulated`` names the tests that went to the emulator although their run did not. What was ``reconciled``, the
    vendor has billed as we charged it.
    """
    with closing(open_connection(address, None, durable=False)) as connection, connection.transaction():
        create_or_upgrade(connection)
        _add_run(connection, run, started_at, target)
        for number, (nodeid, sessions) in enumerate(tests.items()):
            at = _later(started_at, number)
            own = "emulator" if nodeid in emulated else None
            attempt = _add_attempt(connection, run, nodeid, at, own)
            for each in sessions:
                took = each if isinstance(each, Took) else Took(seconds=each)
                _add_session(connection, run, attempt, at, took, own, is_billed=reconciled and target == "live")
        ended = {"invocation": f"invocation of {run}", "exit_status": exit_status}
        connection.execute(sql.END_INVOCATION, {**ended, "at": _later(started_at, len(tests))})
        document = '{"verdict": "reconciled", "project": null}'
        if reconciled:
            record = {"run": run, "verdict": "reconciled", "at": started_at, "document": document}
            connection.execute(sql.INSERT_RECONCILIATION, record)


def _add_run(connection: Connection, run: str, at: str, target: str) -> None:
    known: dict[str, Any] = {"run": run, "target": target, "billed": int(target == "live"), "tag": f"dgbudget-{run}"}
    connection.execute(sql.INSERT_RUN, {**known, "at": at})
    invocation = {"id": f"invocation of {run}", "run": run, "host": "elsewhere", "pid": 1, "at": at}
    budgets = {"budget_ms": 600_000, "cost_budget_micro_usd": None}
    others = {"may_bypass": 0, "prices_as_of": at[:10], "pace": "vendor"}
    connection.execute(sql.INSERT_INVOCATION, {**invocation, **budgets, **others})


def _add_attempt(connection: Connection, run: str, nodeid: str, at: str, target: str | None) -> str:
    attempt = f"attempt-{next(_IDS)}"
    row = {"id": attempt, "invocation": f"invocation of {run}", "nodeid": nodeid, "worker": "", "at": at}
    budgets = {"budget_ms": 60_000, "left_ms": 60_000, "cost_budget_micro_usd": None, "cost_left_micro_usd": None}
    connection.execute(sql.INSERT_ATTEMPT, {**row, **budgets, "number": 1, "target": target, "path": None})
    connection.execute(sql.INSERT_OUTCOME, {"attempt": attempt, "outcome": "passed"})
    return attempt


def _add_session(
    connection: Connection, run: str, attempt: str, at: str, took: Took, target: str | None, *, is_billed: bool
) -> None:
    number, ms = next(_IDS), round(took.seconds * 1000)
    lease, dial = f"lease-{number}", f"dial-{number}"
    row = {"id": lease, "run": run, "attempt": attempt, "scope": "test", "ms": 60_000, "currency": "time"}
    times = {"taken_at": at, "ends_at": at, "gateway": "gateway"}
    connection.execute(sql.INSERT_LEASE, {**row, **times, "micro_usd": took.micro_usd(60_000)})
    connection.execute(sql.INSERT_DIAL, {"id": dial, "lease": lease, "at": at, "target": target, "run_key": None})
    connection.execute(sql.INSERT_WELCOME, {"dial": dial, "request_id": f"request-{number}", "handshake_ms": 80})
    connection.execute(sql.INSERT_USAGE, _usage(dial, f"request-{number}", at, took))
    charged = 60_000 if took.lost else ms
    end = {"lease": lease, "how": "orphaned" if took.lost else "settled", "ms": charged}
    connection.execute(sql.END_LEASE, {**end, "micro_usd": took.micro_usd(charged), "at": at})
    if is_billed and not took.lost:
        connection.execute(sql.INSERT_BILLED, {"lease": lease, "ms": ms, "micro_usd": took.micro_usd(ms), "at": at})


def _usage(dial: str, request_id: str, at: str, took: Took) -> dict[str, Any]:
    ms = None if took.lost else round(took.seconds * 1000)
    skipped = None if took.skipped_seconds is None else round(took.skipped_seconds * 1000)
    forecast = None if skipped is None or ms is None else took.micro_usd(ms + skipped)
    parts = {"handshake_ms": 80, "closing_ms": 20, "audio_in_ms": 4000, "audio_out_ms": 5000, "greeting_ms": 300}
    ends = {"closed_by": "gateway-lost" if took.lost else "client", "close_code": 1000, "confirmed": int(not took.lost)}
    return {
        "id": f"usage of {dial}",
        "dial": dial,
        "supersedes": None,
        "request_id": request_id,
        "closed_at": at,
        "ms": ms,
        "tier": took.tier,
        "micro_usd": None if ms is None else took.micro_usd(ms),
        "estimated": int(took.estimated),
        "skipped_ms": skipped,
        "forecast_micro_usd": forecast,
        "forecast_cut": 0,
        "tagged": 1,
        "reason": None,
        **parts,
        **ends,
        "vendor_reports": 0,
        **cut_columns(None),
    }


def _later(instant: str, seconds: int) -> str:
    moment = read_instant(instant)
    assert moment is not None
    return write_instant((moment + timedelta(seconds=seconds)).astimezone(timezone.utc))


def days_ago(days: float) -> str:
    """Return the instant so many days before now."""
    return write_instant(datetime.now(timezone.utc) - timedelta(days=days))
