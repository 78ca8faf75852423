"""What came of a comparison, and how usage.json has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.ledger.facts import AttemptFacts, RunFacts
from pytest_dgbudget.rules.reconciliation import Line, Tolerance, Verdict
from pytest_dgbudget.units import seconds

NOTHING_TO_COMPARE = "no session was opened, so there is nothing to compare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Everything under the run's tag in one figure: milliseconds, or millionths of a dollar.

    ``verdict`` is ``off`` where there is nothing to compare with, ``reason`` why it was not compared.
    """

    verdict: Verdict
    own: int | None = None
    vendor: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Every session, the hours and the dollars. ``reasons`` say what could not be checked, and why.

    ``checked_at`` is None when the vendor was not asked. ``stated_ms`` is what the statement has, by our session's id,
    of those whose end nobody here saw.
    """

    verdict: Verdict
    tolerance: Tolerance
    lines: tuple[Line, ...]
    reasons: tuple[str, ...]
    checked_at: str | None = None
    project: str | None = None
    hours: Total = Total(verdict="off")
    dollars: Total = Total(verdict="off")
    stated_ms: Mapping[str, int] = field(default_factory=dict)

    def to_json(self, facts: RunFacts) -> dict[str, Any]:
        """Return this as usage.json has it, with the test of each line."""
        attempts = {attempt.id: attempt for attempt in facts.attempts}
        attempt_of = {session.id: attempts[session.attempt] for session in facts.sessions}
        return {
            "verdict": self.verdict,
            "checked_at": self.checked_at,
            "project": self.project,
            "tolerance": {"seconds": seconds(self.tolerance.ms), "share": self.tolerance.share},
            "reasons": list(self.reasons),
            "lines": [_line_to_json(line, attempt_of) for line in self.lines],
            "totals": {"hours": _total_to_json(self.hours, "seconds"), "dollars": _total_to_json(self.dollars, "usd")},
        }


def _line_to_json(line: Line, attempt_of: Mapping[str, AttemptFacts]) -> dict[str, Any]:
    attempt = attempt_of[line.sessions[0]] if line.sessions else None
    return {
        "request_id": line.request_id,
        "class": line.kind,
        "nodeid": attempt.nodeid if attempt else None,
        "attempt": attempt.number if attempt else None,
        "local_seconds": _if_known(seconds, line.own_ms),
        "vendor_seconds": _if_known(seconds, line.vendor_ms),
        "delta_seconds": _if_known(seconds, line.delta_ms),
        "vendor_usd": _if_known(_usd, line.micro_usd),
    }


def _total_to_json(total: Total, unit: str) -> dict[str, Any]:
    scaled = seconds if unit == "seconds" else _usd
    return {
        "verdict": total.verdict,
        f"local_{unit}": _if_known(scaled, total.own),
        f"vendor_{unit}": _if_known(scaled, total.vendor),
        "reason": total.reason,
    }


def _usd(micro_usd: int) -> float:
    return micro_usd / 1_000_000


def _if_known(scaled: Callable[[int], float], amount: int | None) -> float | None:
    return None if amount is None else scaled(amount)
