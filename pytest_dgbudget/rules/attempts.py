"""What one attempt of a test came to: computed here for usage.json, the terminal, JUnit and the gateway's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pytest_dgbudget.rules.turn_figures import TurnFigures, VendorLatency, turn_figures, vendor_latency
from pytest_dgbudget.units import known_sum, seconds, usd

if TYPE_CHECKING:
    from pytest_dgbudget.model import ClosedBy, ScopeName
    from pytest_dgbudget.rules.turn_figures import ShownTurn

_LIVE = (
    "live, this test would {}, more than the {} that it has: pace max skips the time in which the agent thinks and "
    "speaks. The forecast fails nothing; raise the budget before the test is run live"
)

# What is recorded of a session that a budget of each scope closed.
CUT_BY: Mapping[ScopeName, ClosedBy] = {
    "test": "test-budget",
    "path": "path-budget",
    "run": "run-budget",
    "window": "window-budget",
}
_CUT_SCOPES: Mapping[str | None, ScopeName] = {closed_by: scope for scope, closed_by in CUT_BY.items()}

AttemptVerdict = Literal["overrun", "within"]


class AttemptFigures(TurnFigures):
    """``attempt`` is its number, ``sessions`` how many opened; the budgets are what was left for it.

    ``used_seconds`` and ``cost_usd`` are None where they are unknown, the forecasts of both also where nothing is
    emulated or replayed. ``replayed`` sessions came from cassettes: ``saved_seconds`` and ``saved_usd`` are what they
    would have used live, None where none was replayed, or where it is not known. The turns are those of all of its
    sessions, and ``vendor_latency`` is of theirs, None where not all of it is known. ``cut``: a budget closed one of
    its sessions; ``exceeded``: more was charged than was left for it. ``estimated``: a part of the cost is the highest
    that it may be.
    """

    attempt: int
    budget_seconds: float | None
    used_seconds: float | None
    cost_usd: float | None
    cost_budget_usd: float | None
    estimated: bool | None
    forecast_seconds: float | None
    forecast_usd: float | None
    sessions: int
    replayed: int
    saved_seconds: float | None
    saved_usd: float | None
    vendor_latency: VendorLatency | None
    request_ids: list[str]
    cut: bool
    exceeded: bool
    refused: int
    verdict: AttemptVerdict


def was_cut(closed_by: str | None) -> bool:
    """Return whether a budget closed a session."""
    return closed_by in _CUT_SCOPES


def scope_of_cut(closed_by: str | None) -> ScopeName | None:
    """Return the scope of the budget that closed a session; None where none did."""
    return _CUT_SCOPES.get(closed_by)


class ForecastSession(Protocol):
    """A session that has ended."""

    @property
    def forecast_ms(self) -> int | None:
        """What it would have taken without skipping anything; None where that is not known."""
        ...

    @property
    def forecast_micro_usd(self) -> int | None:
        """What that would have cost, in millionths of a dollar; None where that is not known."""
        ...


class Forecast(NamedTuple):
    """What emulated or replayed sessions would have come to live; None where that is not known."""

    ms: int | None
    micro_usd: int | None


def forecast_of(sessions: Iterable[ForecastSession]) -> Forecast:
    """Return the sums over some sessions; None where there is none."""
    sessions = list(sessions)
    if not sessions:
        return Forecast(None, None)
    return Forecast(
        known_sum(session.forecast_ms for session in sessions),
        known_sum(session.forecast_micro_usd for session in sessions),
    )


def attempt_figures(
    *,
    number: int,
    budget_ms: int | None,
    used_ms: int | None,
    micro_usd: int | None,
    cost_budget_micro_usd: int | None,
    estimated: bool,
    forecast: Forecast | None,
    replays: Iterable[ForecastSession] = (),
    turns: Sequence[ShownTurn] | None,
    vendor_latencies_ms: Sequence[int] | None,
    handshakes_ms: Iterable[int | None],
    request_ids: Iterable[str | None],
    cut: bool,
    refused: int,
) -> AttemptFigures:
    """Compute the figures from exact values. ``handshakes_ms``: of each dial, None where it got no 101.

    ``replays`` are its sessions from cassettes.

    ``turns`` are None where nobody saw how a session went on, ``vendor_latencies_ms`` (the totals of LatencyReports)
    also where nobody noted them.
    """
    replays = list(replays)
    saved = forecast_of(replays)
    exceeded = _exceeds(used_ms, budget_ms) or _exceeds(micro_usd, cost_budget_micro_usd)
    return {
        "attempt": number,
        "budget_seconds": seconds_or_none(budget_ms),
        "used_seconds": seconds_or_none(used_ms),
        "cost_usd": usd_or_none(micro_usd),
        "cost_budget_usd": usd_or_none(cost_budget_micro_usd),
        "estimated": None if micro_usd is None else estimated,
        "forecast_seconds": None if forecast is None else seconds_or_none(forecast.ms),
        "forecast_usd": None if forecast is None else usd_or_none(forecast.micro_usd),
        "sessions": sum(handshake_ms is not None for handshake_ms in handshakes_ms),
        "replayed": len(replays),
        "saved_seconds": seconds_or_none(saved.ms),
        "saved_usd": usd_or_none(saved.micro_usd),
        **turn_figures(turns),
        "vendor_latency": vendor_latency(vendor_latencies_ms),
        "request_ids": [request_id for request_id in request_ids if request_id is not None],
        "cut": cut,
        "exceeded": exceeded,
        "refused": refused,
        "verdict": "overrun" if cut or exceeded or refused else "within",
    }


def _exceeds(used: int | None, budget: int | None) -> bool:
    return used is not None and budget is not None and used > budget


def forecast_notes(figures: AttemptFigures) -> list[str]:
    """Say where live sessions would have exceeded the budget of an attempt that stayed within it."""
    budget, used = figures["budget_seconds"], figures["used_seconds"]
    of_money, cost = figures["cost_budget_usd"], figures["cost_usd"]
    seconds, dollars = figures["forecast_seconds"], figures["forecast_usd"]
    notes = []
    if seconds is not None and budget is not None and used is not None and used <= budget < seconds:
        notes.append(_LIVE.format(f"use about {seconds:.2f}s", f"{budget:.2f}s"))
    if dollars is not None and of_money is not None and cost is not None and cost <= of_money < dollars:
        notes.append(_LIVE.format(f"cost about ${dollars:.4f}", f"${of_money:.4f}"))
    return notes


def unknown_figures(number: int, budget_seconds: float | None) -> dict[str, Any]:
    """Return the figures of an attempt whose gateway is gone: None for all that it alone knew."""
    unknown = dict.fromkeys(AttemptFigures.__annotations__)
    return {**unknown, "attempt": number, "budget_seconds": budget_seconds, "request_ids": []}


def seconds_or_none(milliseconds: int | None) -> float | None:
    """Return decimal seconds; None for what is unknown."""
    return None if milliseconds is None else seconds(milliseconds)


def usd_or_none(micro_usd: int | None) -> float | None:
    """Return decimal dollars; None for what is unknown."""
    return None if micro_usd is None else usd(micro_usd)
