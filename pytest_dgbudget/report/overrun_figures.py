"""The overruns of attempts and sessions as usage.json has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

from pytest_dgbudget.rules.attempts import AttemptFigures, scope_of_cut
from pytest_dgbudget.units import in_units

if TYPE_CHECKING:
    from pytest_dgbudget.ledger.facts import SessionFacts
    from pytest_dgbudget.model import Currency, Overrun, ScopeName


class OverrunFigures(TypedDict):
    """The budget that was overrun, and what was used of how much: seconds, or US dollars where the currency is money.

    ``label`` says which, where a scope can have several: the period of a window, the glob of a path. The figures are
    None where an older version recorded none.
    """

    scope: ScopeName
    currency: Currency
    label: str
    used: float | None
    allowed: float | None


def overrun_of_session(session: SessionFacts) -> OverrunFigures | None:
    """Return the budget that cut a session; None where none did."""
    if session.cut is not None:
        return _figures(session.cut)
    scope = scope_of_cut(session.closed_by)
    return None if scope is None else _of(scope, "time", "", None, None)


def overrun_of_attempt(
    figures: AttemptFigures, sessions: Iterable[SessionFacts], refusals: Iterable[Overrun]
) -> OverrunFigures | None:
    """Return what overran an attempt: the first cut, else its own budget that was exceeded, else the first refusal."""
    cuts = (overrun_of_session(session) for session in sessions)
    cut = next((each for each in cuts if each is not None), None)
    if cut is not None:
        return cut
    return _exceeded(figures) if figures["exceeded"] else next(map(_figures, refusals), None)


def _exceeded(figures: AttemptFigures) -> OverrunFigures:
    used, allowed = figures["used_seconds"], figures["budget_seconds"]
    if used is not None and allowed is not None and used > allowed:
        return _of("test", "time", "", used, allowed)
    return _of("test", "money", "", figures["cost_usd"], figures["cost_budget_usd"])


def _figures(overrun: Overrun) -> OverrunFigures:
    used, allowed = in_units(overrun.used, overrun.currency), in_units(overrun.allowed, overrun.currency)
    return _of(overrun.scope, overrun.currency, overrun.label, used, allowed)


def _of(scope: ScopeName, currency: Currency, label: str, used: float | None, allowed: float | None) -> OverrunFigures:
    return {"scope": scope, "currency": currency, "label": label, "used": used, "allowed": allowed}
