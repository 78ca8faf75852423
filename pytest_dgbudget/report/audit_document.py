"""An audit as JSON: what a program may read of it. Unknown numbers are null, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from pytest_dgbudget.instants import instant_at
from pytest_dgbudget.report.reconciliation_figures import (
    DriftFigures,
    HoursFigures,
    RateFigures,
    drift_figures,
    hours_figures,
    rate_figures,
)
from pytest_dgbudget.rules.attempts import seconds_or_none, usd_or_none
from pytest_dgbudget.rules.audit_facts import (
    Amount,
    AuditedLedger,
    AuditedPeriod,
    AuditFindings,
    EstimateError,
    UnseenUse,
)
from pytest_dgbudget.rules.audit_verdict import AuditVerdict, risk_of
from pytest_dgbudget.rules.comparison import Line, Terms
from pytest_dgbudget.rules.verdicts import AGREEING, VERDICT_OF, LineClass, Verdict
from pytest_dgbudget.units import known_sum, seconds, usd

SCHEMA = "dgbudget.audit/1"


class ClassFigures(TypedDict):
    """All lines of one class; a sum is null where a part of it isn't known."""

    lines: int
    local_seconds: float | None
    vendor_seconds: float | None
    elapsed_seconds: float | None
    delta_seconds: float | None
    vendor_usd: float | None


# ``class`` can't be the name of a field in a class's body.
AuditLine = TypedDict(
    "AuditLine",
    {
        "class": LineClass,
        "run": str | None,
        "tag": str | None,
        "session": str | None,
        "request_id": str | None,
        "began_at": str | None,
        "local_seconds": float | None,
        "vendor_seconds": float | None,
        "elapsed_seconds": float | None,
        "delta_seconds": float | None,
        "vendor_usd": float | None,
    },
)


class AmountFigures(TypedDict):
    """So many requests and their time."""

    requests: int
    seconds: float | None


class EstimateFigures(TypedDict):
    """Our costs beside the statement's, of the sessions that have both; ``error_usd`` is ours less theirs."""

    sessions: int
    local_usd: float
    vendor_usd: float
    error_usd: float


class LeaseFigures(TypedDict):
    """A lease whose end nobody saw; ``stated_seconds`` is what the statement has of it."""

    lease: str
    run: str
    taken_at: str
    end: str
    unseen_seconds: float
    unseen_usd: float | None
    stated_seconds: float | None


class AuditDocument(TypedDict):
    """The whole; ``lines`` are those that don't agree, discrepancies first."""

    schema: str
    verdict: Verdict
    reasons: list[str]
    remarks: list[str]
    since: str
    vendor_keeps_since: str
    checked_at: str
    target: str
    project: str | None
    tolerance: Mapping[str, float]
    classes: dict[str, ClassFigures]
    lines: list[AuditLine]
    hours: HoursFigures
    drift: DriftFigures
    drift_by_key: dict[str, DriftFigures]
    rates: list[RateFigures]
    estimate: EstimateFigures | None
    at_risk_seconds: float
    at_risk_usd: float | None
    leases: list[LeaseFigures]
    over_midnight: AmountFigures
    left_out: dict[str, AmountFigures]
    other_ledgers: dict[str, AmountFigures]
    others: AmountFigures
    elsewhere: dict[str, int]


def audit_document(
    findings: AuditFindings,
    verdict: AuditVerdict,
    ledger: AuditedLedger,
    period: AuditedPeriod,
    terms: Terms,
    project: str | None,
) -> AuditDocument:
    """Return an audit's figures in seconds and dollars."""
    risk_ms, risk_micro_usd = risk_of(findings)
    return {
        "schema": SCHEMA,
        "verdict": verdict.verdict,
        "reasons": [*verdict.reasons],
        "remarks": [*verdict.remarks],
        "since": instant_at(period.since_ms),
        "vendor_keeps_since": instant_at(period.kept_since_ms),
        "checked_at": instant_at(terms.now_ms),
        "target": ledger.target,
        "project": project,
        "tolerance": {"seconds": seconds(terms.tolerance.ms), "share": terms.tolerance.share},
        "classes": _by_class(findings.lines),
        "lines": [_line(line, ledger) for line in sorted(findings.lines, key=_gravity) if line.kind not in AGREEING],
        "hours": hours_figures(findings.hours),
        "drift": drift_figures(findings.drift),
        "drift_by_key": {key: drift_figures(drift) for key, drift in findings.drift_by_key.items()},
        "rates": [rate_figures(rate) for rate in findings.rates],
        "estimate": None if findings.estimate is None else _estimate(findings.estimate),
        "at_risk_seconds": seconds(risk_ms),
        "at_risk_usd": usd_or_none(risk_micro_usd),
        "leases": [_lease(use) for use in findings.unseen],
        "over_midnight": _amount(findings.over_midnight),
        "left_out": {why: _amount(amount) for why, amount in findings.left_out.items()},
        "other_ledgers": {tag: _amount(amount) for tag, amount in findings.other_ledgers.items()},
        "others": _amount(findings.others),
        "elsewhere": dict(ledger.elsewhere),
    }


def _by_class(lines: Iterable[Line]) -> dict[str, ClassFigures]:
    groups: dict[LineClass, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.kind, []).append(line)
    return {kind: _of_class(groups[kind]) for kind in sorted(groups)}


def _of_class(lines: list[Line]) -> ClassFigures:
    return {
        "lines": len(lines),
        "local_seconds": seconds_or_none(known_sum(line.own_ms for line in lines)),
        "vendor_seconds": seconds_or_none(known_sum(line.vendor_ms for line in lines)),
        "elapsed_seconds": seconds_or_none(known_sum(line.elapsed_ms for line in lines)),
        "delta_seconds": seconds_or_none(known_sum(line.delta_ms for line in lines)),
        "vendor_usd": usd_or_none(known_sum(line.micro_usd for line in lines)),
    }


def _gravity(line: Line) -> bool:
    return VERDICT_OF[line.kind] != "discrepancy"


def _line(line: Line, ledger: AuditedLedger) -> AuditLine:
    own, row = next(iter(line.own), None), next(iter(line.rows), None)
    return {
        "class": line.kind,
        "run": own.run if own else ledger.run_of(row) if row else None,
        "tag": min(row.tags) if row and row.tags else None,
        "session": own.id if own else None,
        "request_id": line.request_id,
        "began_at": None if line.began_ms is None else instant_at(line.began_ms),
        "local_seconds": seconds_or_none(line.own_ms),
        "vendor_seconds": seconds_or_none(line.vendor_ms),
        "elapsed_seconds": seconds_or_none(line.elapsed_ms),
        "delta_seconds": seconds_or_none(line.delta_ms),
        "vendor_usd": usd_or_none(line.micro_usd),
    }


def _estimate(estimate: EstimateError) -> EstimateFigures:
    return {
        "sessions": estimate.sessions,
        "local_usd": usd(estimate.own_micro_usd),
        "vendor_usd": usd(estimate.vendor_micro_usd),
        "error_usd": usd(estimate.own_micro_usd - estimate.vendor_micro_usd),
    }


def _lease(use: UnseenUse) -> LeaseFigures:
    return {
        "lease": use.lease,
        "run": use.run,
        "taken_at": use.taken_at,
        "end": "none" if use.is_open else "orphaned",
        "unseen_seconds": seconds(use.ms),
        "unseen_usd": usd_or_none(use.micro_usd),
        "stated_seconds": seconds_or_none(use.stated_ms),
    }


def _amount(amount: Amount) -> AmountFigures:
    return {"requests": amount.requests, "seconds": seconds_or_none(amount.ms)}
