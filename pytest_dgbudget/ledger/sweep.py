"""End the leases that dead gateways left open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.units import known_sum


def sweep(connection: Connection, is_live: Callable[[str], bool]) -> None:
    """End every open lease whose run no gateway serves any more, and note up to which lease all have ended."""
    live: dict[str, bool] = {}
    still_open: list[int] = []
    for lease in connection.rows(sql.OPEN_LEASES, {}):
        run = lease["run"]
        if run not in live:
            live[run] = is_live(run)
        if live[run]:
            still_open.append(lease["number"])
        else:
            _end_left_lease(connection, lease)
    last: int = connection.rows(sql.LAST_LEASE, {})[0]["number"]
    connection.execute(sql.INSERT_SWEPT, {"number": min(still_open, default=last + 1) - 1})


def _end_left_lease(connection: Connection, lease: Mapping[str, Any]) -> None:
    """Settle a lease if the end of each of its sessions is known; otherwise orphan it, charged in full."""
    dials = connection.rows(sql.DIALS_OF_LEASE, {"lease": lease["lease"]})
    known = [dial for dial in dials if dial["ms"] is not None]
    for dial in dials:
        if dial["usage"] is None:
            connection.execute(sql.INSERT_USAGE, _lost_session(dial))
    how, charged_ms = "settled", sum(dial["ms"] for dial in known)
    charged_micro_usd = known_sum(dial["micro_usd"] for dial in known)
    if len(known) < len(dials):
        how, charged_ms = "orphaned", max(lease["allowance_ms"], charged_ms)
        charged_micro_usd = _larger(lease["micro_usd"], charged_micro_usd)
    end = {"lease": lease["lease"], "how": how, "ms": charged_ms, "micro_usd": charged_micro_usd, "at": utc_now()}
    connection.execute(sql.END_LEASE, end)


def _larger(set_aside: int | None, known: int | None) -> int | None:
    return None if set_aside is None else max(set_aside, known or 0)


def _lost_session(dial: Mapping[str, Any]) -> dict[str, Any]:
    unknown = dict.fromkeys(
        ("closed_at", "ms", "closing_ms", "audio_in_ms", "audio_out_ms", "close_code", "tagged", "reason")
    )
    return {
        **unknown,
        **dict.fromkeys(("tier", "micro_usd", "estimated", "greeting_ms", "skipped_ms", "forecast_micro_usd")),
        "forecast_cut": 0,
        "id": new_id(),
        "dial": dial["dial"],
        "request_id": dial["request_id"],
        "handshake_ms": dial["handshake_ms"],
        "closed_by": "gateway-lost",
        "confirmed": 0,
    }
