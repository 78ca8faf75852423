"""End the leases that dead gateways left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import LEASES, Connection
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.overruns import cut_columns
from pytest_dgbudget.ledger.replays import replay_columns
from pytest_dgbudget.units import known_sum


class LeftLease(NamedTuple):
    """A lease that has not ended: who holds it, on which host that was begun, and when it ends by itself (UTC)."""

    id: str
    run: str
    attempt: str
    allowance_ms: int
    micro_usd: int | None
    number: int
    ends_at: str
    gateway: str | None
    host: str


class SweptLease(NamedTuple):
    """What became of a lease that was open: ``how`` it ended and what it is charged; None and all of it: still open."""

    id: str
    run: str
    how: str | None
    ms: int


def sweep(connection: Connection, is_held: Callable[[LeftLease], bool]) -> list[SweptLease]:
    """End every open lease that nobody holds any more, and note up to which lease all have ended.

    To be called within a transaction.
    """
    connection.exclude(LEASES)
    left = [LeftLease(**row) for row in connection.rows(sql.OPEN_LEASES, {})]
    held = {lease.number: lease for lease in left if is_held(lease)}
    swept = [
        SweptLease(lease.id, lease.run, None, lease.allowance_ms)
        if lease.number in held
        else _end_left_lease(connection, lease)
        for lease in left
    ]
    last: int = connection.rows(sql.LAST_LEASE, {})[0]["number"]
    connection.execute(sql.INSERT_SWEPT, {"number": min(held, default=last + 1) - 1})
    connection.announce()
    return swept


def _end_left_lease(connection: Connection, lease: LeftLease) -> SweptLease:
    """Settle a lease if the end of each of its sessions is known; otherwise orphan it, charged in full."""
    dials = connection.rows(sql.DIALS_OF_LEASE, {"lease": lease.id})
    known = [dial for dial in dials if dial["ms"] is not None]
    for dial in dials:
        if dial["usage"] is None:
            connection.execute(sql.INSERT_USAGE, _lost_session(dial))
    how, charged_ms = "settled", sum(dial["ms"] for dial in known)
    charged_micro_usd = known_sum(dial["micro_usd"] for dial in known)
    if len(known) < len(dials):
        how, charged_ms = "orphaned", max(lease.allowance_ms, charged_ms)
        charged_micro_usd = _larger(lease.micro_usd, charged_micro_usd)
    end = {"lease": lease.id, "how": how, "ms": charged_ms, "micro_usd": charged_micro_usd, "at": utc_now()}
    connection.execute(sql.END_LEASE, end)
    return SweptLease(lease.id, lease.run, how, charged_ms)


def _larger(set_aside: int | None, known: int | None) -> int | None:
    return None if set_aside is None else max(set_aside, known or 0)


def _lost_session(dial: Mapping[str, Any]) -> dict[str, Any]:
    unknown = dict.fromkeys(
        ("supersedes", "closed_at", "ms", "closing_ms", "audio_in_ms", "audio_out_ms", "close_code", "tagged", "reason")
    )
    return {
        **unknown,
        **dict.fromkeys(("tier", "micro_usd", "estimated", "greeting_ms", "skipped_ms", "forecast_micro_usd")),
        "vendor_reports": None,
        **cut_columns(None),
        **replay_columns(None),
        "forecast_cut": 0,
        "id": new_id(),
        "dial": dial["dial"],
        "request_id": dial["request_id"],
        "handshake_ms": dial["handshake_ms"],
        "closed_by": "gateway-lost",
        "confirmed": 0,
    }
