"""The reconciliation as usage.json has it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from pytest_dgbudget.instants import instant_at
from pytest_dgbudget.rules.attempts import seconds_or_none, usd_or_none
from pytest_dgbudget.rules.verdicts import LineClass, Verdict
from pytest_dgbudget.units import seconds, usd

# A run without a session is over before what compares sessions has been loaded.
if TYPE_CHECKING:
    from pytest_dgbudget.ledger.facts import AttemptFacts, RunFacts
    from pytest_dgbudget.rules.comparison import Line, VendorRow
    from pytest_dgbudget.rules.drift import Direction, Drift
    from pytest_dgbudget.rules.rates import TierRate
    from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
    from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.rules.totals import Total

# ``class`` can't be the name of a field in a class's body.
LineFigures = TypedDict(
    "LineFigures",
    {
        "request_id": str | None,
        "class": LineClass,
        "nodeid": str | None,
        "attempt": int | None,
        "local_seconds": float | None,
        "vendor_seconds": float | None,
        "elapsed_seconds": float | None,
        "unreadable_duration": str | None,
        "delta_seconds": float | None,
        "vendor_usd": float | None,
        "foreign": "ForeignFigures | None",
    },
)


class ForeignFigures(TypedDict):
    """What a row says that no session of the run's belongs to: when it began, where it came from, and the run's key
    that it is under.
    """

    created_at: str | None
    origin: str | None
    run_key: str | None


class ToleranceFigures(TypedDict):
    """``--dg-tolerance``."""

    seconds: float
    share: float


class HoursFigures(TypedDict):
    """The time under the run's tag or keys."""

    verdict: Verdict
    local_seconds: float | None
    vendor_seconds: float | None
    reason: str | None


class DollarsFigures(TypedDict):
    """The cost under the run's tag or keys."""

    verdict: Verdict
    local_usd: float | None
    vendor_usd: float | None
    reason: str | None


class DriftFigures(TypedDict):
    """What the sum of the sessions differs by, beyond what honest causes explain; seconds are None where it doesn't."""

    verdict: Verdict | None
    reason: str | None
    n: int
    seconds: float | None
    direction: Direction | None
    mean_seconds: float | None
    interval_seconds: list[float] | None


class RateFigures(TypedDict):
    """What a minute of a tier costs by the statement; ``expected_by`` says who expects another price, or the same."""

    tier: str
    sessions: int
    seconds: float
    vendor_usd_per_minute: float
    expected_usd_per_minute: float
    expected_by: Literal["prices", "shipped"]
    wrong: bool


class TotalFigures(TypedDict):
    """What is compared of the run as a whole, by its tag or its own keys; ``drift`` is None where nothing was asked."""

    by: Literal["tag", "key"]
    hours: HoursFigures
    dollars: DollarsFigures
    drift: DriftFigures | None
    rates: list[RateFigures]


class LagFigures(TypedDict):
    """Seconds after the end of the run's last session: the statement lacked something, and lacked nothing, when read.

    The second is an upper bound. None: it was not seen so.
    """

    pending_seconds: float | None
    settled_seconds: float | None


class ReconciliationFigures(TypedDict):
    """What came of the comparison; ``tolerance`` and ``totals`` are None where none was recorded.

    ``unread`` names the parts of the statement that could not be read: requests, sessions, hours, dollars.
    ``lag`` is how long the statement took, None where that is not known.
    """

    verdict: Verdict
    checked_at: str | None
    project: str | None
    tolerance: ToleranceFigures | None
    reasons: list[str]
    remarks: list[str]
    lines: list[LineFigures]
    totals: TotalFigures | None
    unread: list[str]
    lag: LagFigures | None


NOT_RECONCILED: ReconciliationFigures = {
    "verdict": "off",
    "checked_at": None,
    "project": None,
    "tolerance": None,
    "reasons": [],
    "remarks": [],
    "lines": [],
    "totals": None,
    "unread": [],
    "lag": None,
}


def not_compared(verdict: Verdict, tolerance: ToleranceFigures, *reasons: str) -> ReconciliationFigures:
    """Return what there is to say where the vendor was not asked about any session, and why it wasn't."""
    hours: HoursFigures = {"verdict": "off", "local_seconds": None, "vendor_seconds": None, "reason": None}
    dollars: DollarsFigures = {"verdict": "off", "local_usd": None, "vendor_usd": None, "reason": None}
    return {
        **NOT_RECONCILED,
        "verdict": verdict,
        "tolerance": tolerance,
        "reasons": list(reasons),
        "totals": {"by": "tag", "hours": hours, "dollars": dollars, "drift": None, "rates": []},
    }


def recorded(document: Mapping[str, Any] | None) -> ReconciliationFigures:
    """Return what the ledger has; what an older version did not record is not known."""
    known: dict[str, Any] = {**NOT_RECONCILED, **(document or {})}
    totals = known["totals"]
    return cast(
        ReconciliationFigures,
        {
            **known,
            "lines": [{"elapsed_seconds": None, "foreign": None, **line} for line in known["lines"]],
            "totals": None if totals is None else {"by": "tag", "drift": None, "rates": [], **totals},
        },
    )


def vendor_usd_by_request(figures: ReconciliationFigures) -> dict[str, float]:
    """Return what the statement has in dollars for each of the run's own requests for which it has them."""
    own = (line for line in figures["lines"] if line["nodeid"] is not None)
    return {
        line["request_id"]: line["vendor_usd"]
        for line in own
        if line["request_id"] is not None and line["vendor_usd"] is not None
    }


def reconciliation_figures(result: Reconciliation, facts: RunFacts) -> ReconciliationFigures:
    """Return a result with the test of each line; ``facts`` are those of the run that was compared."""
    attempts = {attempt.id: attempt for attempt in facts.attempts}
    attempt_of = {session.id: attempts[session.attempt] for session in facts.sessions}
    return {
        "verdict": result.verdict,
        "checked_at": None if result.checked_at_ms is None else instant_at(result.checked_at_ms),
        "project": result.project,
        "tolerance": {"seconds": seconds(result.tolerance.ms), "share": result.tolerance.share},
        "reasons": list(result.reasons),
        "remarks": list(result.remarks),
        "lines": [_line(line, attempt_of, {key.id for key in facts.run_keys}) for line in result.lines],
        "totals": {
            "by": "key" if facts.own_keys_alone() else "tag",
            "hours": hours_figures(result.hours),
            "dollars": _dollars(result.dollars),
            "drift": None if result.drift is None else drift_figures(result.drift),
            "rates": [rate_figures(rate) for rate in result.rates],
        },
        "unread": list(result.unread),
        "lag": None if result.lag is None else _lag(result.lag),
    }


def _lag(lag: StatementLag) -> LagFigures:
    return {
        "pending_seconds": seconds_or_none(lag.pending_ms),
        "settled_seconds": seconds_or_none(lag.settled_ms),
    }


def _line(line: Line, attempt_of: Mapping[str, AttemptFacts], run_keys: Set[str]) -> LineFigures:
    attempt = attempt_of[line.sessions[0]] if line.sessions else None
    return {
        "request_id": line.request_id,
        "class": line.kind,
        "nodeid": attempt.nodeid if attempt else None,
        "attempt": attempt.number if attempt else None,
        "local_seconds": seconds_or_none(line.own_ms),
        "vendor_seconds": seconds_or_none(line.vendor_ms),
        "elapsed_seconds": seconds_or_none(line.elapsed_ms),
        "unreadable_duration": line.unreadable_duration,
        "delta_seconds": seconds_or_none(line.delta_ms),
        "vendor_usd": usd_or_none(line.micro_usd),
        "foreign": None if line.own or not line.rows else _foreign(line.rows[0], run_keys),
    }


def _foreign(row: VendorRow, run_keys: Set[str]) -> ForeignFigures:
    return {
        "created_at": None if row.created_ms is None else instant_at(row.created_ms),
        "origin": row.origin,
        "run_key": row.key_id if row.key_id in run_keys else None,
    }


def hours_figures(total: Total) -> HoursFigures:
    """Return a sum of time in seconds."""
    return {
        "verdict": total.verdict,
        "local_seconds": seconds_or_none(total.own),
        "vendor_seconds": seconds_or_none(total.vendor),
        "reason": total.reason,
    }


def _dollars(total: Total) -> DollarsFigures:
    return {
        "verdict": total.verdict,
        "local_usd": usd_or_none(total.own),
        "vendor_usd": usd_or_none(total.vendor),
        "reason": total.reason,
    }


def drift_figures(drift: Drift) -> DriftFigures:
    """Return a drift in seconds."""
    return {
        "verdict": drift.verdict,
        "reason": drift.reason,
        "n": drift.n,
        "seconds": seconds_or_none(drift.ms),
        "direction": drift.direction,
        "mean_seconds": None if drift.mean_ms is None else round(drift.mean_ms) / 1000,
        "interval_seconds": None if drift.interval_ms is None else [round(ms) / 1000 for ms in drift.interval_ms],
    }


def rate_figures(rate: TierRate) -> RateFigures:
    """Return a tier's price in dollars."""
    return {
        "tier": rate.tier,
        "sessions": rate.n,
        "seconds": seconds(rate.ms),
        "vendor_usd_per_minute": usd(rate.micro_usd_per_minute),
        "expected_usd_per_minute": usd(rate.expected_micro_usd_per_minute),
        "expected_by": "prices" if rate.named else "shipped",
        "wrong": rate.wrong,
    }
