"""What came of each drill, and which one was worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_dgbudget.rules.prices import SHIPPED, price_of
from pytest_dgbudget.units import seconds, usd

# Without a limit of the user's: how soon a session is closed at the latest whose owner is gone.
PROMISED_MS = 1000

Outcome = Literal["held", "leaked", "skipped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillResult:
    """``leak_ms`` and ``lateness_ms`` are None where nothing was measured; ``why`` says why not, or what went wrong."""

    name: str
    outcome: Outcome
    leak_ms: int | None = None
    lateness_ms: int | None = None
    why: str | None = None

    @property
    def leak_micro_usd(self) -> int | None:
        """At the highest price: it is not known what an agent costs that leaks elsewhere."""
        return None if self.leak_ms is None else price_of(self.leak_ms, SHIPPED.highest())

    def as_json(self) -> dict[str, Any]:
        micro_usd = self.leak_micro_usd
        return {
            "name": self.name,
            "result": self.outcome,
            "leak_seconds": None if self.leak_ms is None else seconds(self.leak_ms),
            "leak_usd": None if micro_usd is None else usd(micro_usd),
            "lateness_ms": self.lateness_ms,
            "why": self.why,
        }


def worst_of(results: Sequence[DrillResult]) -> DrillResult | None:
    """Return the one that leaked most; None where nothing was measured."""
    measured = [result for result in results if result.leak_ms is not None]
    return max(measured, key=lambda result: result.leak_ms or 0, default=None)


def as_json(results: Sequence[DrillResult]) -> dict[str, Any]:
    worst = worst_of(results)
    figures = None if worst is None else worst.as_json()
    return {
        "drills": [result.as_json() for result in results],
        "worst": figures and {name: figures[name] for name in ("name", "leak_seconds", "leak_usd")},
    }


def exit_status(results: Sequence[DrillResult], max_leak_ms: int | None) -> int:
    """Return 1 when a drill failed, or with a limit: when one leaked more, or none could say; else 0."""
    if any(result.outcome == "failed" for result in results):
        return 1
    worst = worst_of(results)
    if max_leak_ms is None:
        return 0
    return int(worst is None or worst.leak_ms is None or worst.leak_ms > max_leak_ms)
