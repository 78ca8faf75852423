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
from pytest_dgbudget.ledger.replays import replay_columns
from pytest_dgbudget.ledger.upgrade import create_or_upgrade
from pytest_dgbudget.units import known_sum, rounded_up

STANDARD = 75_000
_LEASED_MS = 60_000
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Sessions of one lease. ``stated_seconds``: what the statement has of it, where the end of one was lost."""

    sessions: Sequence[Took]
    stated_seconds: float | None = None

    @property
    def is_lost(self) -> bool:
        return any(each.lost for each in self.sessions)

    def charged_ms(self) -> int:
        metered = sum(round(each.seconds * 1000) for each in self.sessions if not each.lost)
        return max(_LEASED_MS, metered) if self.is_lost else metered

    def set_aside_micro_usd(self) -> int | None:
        """Return what all of the lease costs, at the highest price that one of its sessions has."""
        costs = [each.micro_usd(_LEASED_MS) for each in self.sessions]
        return None if None in costs else max(cost for cost in costs if cost is not None)

    def charged_micro_usd(self) -> int | None:
        metered = [each.micro_usd(round(each.seconds * 1000)) for each in self.sessions if not each.lost]
        known = known_sum(metered)
        set_aside = self.set_aside_micro_usd()
        if not self.is_lost:
            return known
        return None if set_aside is None else max(set_aside, known or 0)


def add_run(
    address: Path | str,
    run: str,
    started_at: str,
    tests: Mapping[str, Sequence[float | Took | Together]],
    *,
    target: str = "live",
    emulated: Sequence[str] = (),
    reconciled: bool = True,
    exit_status: int = 0,
) -> None:
    """Have a run that opened these sessions of each test, one a lease unless together, which ended at once.

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
                _add_lease(
                    connection, run, attempt, at, _together(each), own, is_billed=reconciled and target == "live"
                )
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


def _together(opened: float | Took | Together) -> Together:
    if isinstance(opened, Together):
        return opened
    return Together(sessions=[opened if isinstance(opened, Took) else Took(seconds=opened)])


def _add_lease(
    connection: Connection, run: str, attempt: str, at: str, opened: Together, target: str | None, *, is_billed: bool
) -> None:
    lease = f"lease-{next(_IDS)}"
    row = {"id": lease, "run": run, "attempt": attempt, "scope": "test", "ms": _LEASED_MS, "currency": "time"}
    times = {"taken_at": at, "ends_at": at, "gateway": "gateway"}
    connection.execute(sql.INSERT_LEASE, {**row, **times, "micro_usd": opened.set_aside_micro_usd()})
    for took in opened.sessions:
        _add_session(connection, lease, at, took, target)
    charged = {"lease": lease, "ms": opened.charged_ms(), "micro_usd": opened.charged_micro_usd(), "at": at}
    connection.execute(sql.END_LEASE, {**charged, "how": "orphaned" if opened.is_lost else "settled"})
    if opened.is_lost and opened.stated_seconds is not None:
        stated_ms = round(opened.stated_seconds * 1000)
        connection.execute(sql.INSERT_STATED, {"lease": lease, "ms": stated_ms, "at": at})
    if is_billed and not opened.is_lost:
        connection.execute(sql.INSERT_BILLED, charged)


def _add_session(connection: Connection, lease: str, at: str, took: Took, target: str | None) -> None:
    number = next(_IDS)
    dial = f"dial-{number}"
    of_dial = {"id": dial, "lease": lease, "at": at, "target": target, "run_key": None, "cassette": None}
    connection.execute(sql.INSERT_DIAL, of_dial)
    connection.execute(sql.INSERT_WELCOME, {"dial": dial, "request_id": f"request-{number}", "handshake_ms": 80})
    connection.execute(sql.INSERT_USAGE, _usage(dial, f"request-{number}", at, took))


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
        **replay_columns(None),
    }


def _later(instant: str, seconds: int) -> str:
    moment = read_instant(instant)
    assert moment is not None
    return write_instant((moment + timedelta(seconds=seconds)).astimezone(timezone.utc))


def days_ago(days: float) -> str:
    """Return the instant so many days before now."""
    return write_instant(datetime.now(timezone.utc) - timedelta(days=days))
