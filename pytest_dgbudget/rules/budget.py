"""Allowances into a decision: may this lease be taken, now, and how long may it be?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.errors import BudgetExceeded, BudgetExhausted
from pytest_dgbudget.model import Overrun, ScopeName
from pytest_dgbudget.units import format_time, seconds

# Less than this left of a budget is not worth a session.
FLOOR_MS = 1000

# The vendor ends every session after two hours (changelog of 2026-07-31), so no lease needs more.
LONGEST_SESSION_MS = 2 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One budget and what has become of it, in milliseconds.

    ``was_cut``: it has cut a session, and nothing is left of it. What a cut leaves over is its margins.
    """

    name: ScopeName
    allowed_ms: int
    settled_ms: int
    leased_ms: int
    was_cut: bool = False

    @property
    def left_ms(self) -> int:
        """What is not settled. What is leased still counts as left: it may come back."""
        return min(0, self._unsettled_ms) if self.was_cut else self._unsettled_ms

    @property
    def _unsettled_ms(self) -> int:
        return self.allowed_ms - self.settled_ms


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease may be taken, for this long; ``scope`` is the narrowest one (None: only the vendor's own limit)."""

    allowance_ms: int
    scope: Scope | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Others hold what is wanted; some of it may come back."""


@dataclass(frozen=True, slots=True)
class Refused:
    """This scope is nearly spent, even if all that is leased came back."""

    scope: Scope


Decision = Granted | Wait | Refused


def decide(scopes: Sequence[Scope]) -> Decision:
    """Decide on one lease against every budget that applies to it, the narrowest scope first.

    A lease asks for all that is left of the narrowest scope, and without any scope for the longest session there can
    be. It takes what is left of a wider scope of which nobody else holds a lease, and waits where somebody does.
    """
    for scope in scopes:
        if _is_spent(scope):
            return Refused(scope)
    if not scopes:
        return Granted(LONGEST_SESSION_MS, None)
    narrowest = scopes[0]
    wanted = allowance = narrowest.left_ms
    for scope in scopes:
        free = scope.left_ms - scope.leased_ms
        if free >= wanted:
            continue
        if scope.leased_ms > 0:
            return Wait()
        if free < allowance:
            allowance, narrowest = free, scope
    return Granted(allowance, narrowest)


def _is_spent(scope: Scope) -> bool:
    return scope.allowed_ms == 0 or scope.left_ms < min(FLOOR_MS, scope.allowed_ms)


_HOW_TO_RAISE = {
    "test": "raise it by marker dg_budget or --dg-test-budget",
    "run": "raise it with --dg-budget",
}


_WHAT_HAPPENED = {"cut": "used up", "refused": "nearly spent", "exceeded": "exceeded"}


def describe(overrun: Overrun) -> str:
    """Say what happened, the numbers and what to do; short enough for the reason of a Close frame (123 bytes)."""
    allowed, used = format_time(overrun.allowed_ms), format_time(overrun.used_ms)
    happened, to_raise = _WHAT_HAPPENED[overrun.kind], _HOW_TO_RAISE[overrun.scope]
    return f"{overrun.scope} budget of {allowed} {happened}, {used} used; {to_raise}"


def explain(overrun: Overrun) -> str:
    """Say the same at length: why a session is cut before all of its budget is used."""
    if overrun.kind != "cut" or overrun.used_ms >= overrun.allowed_ms:
        return describe(overrun)
    margin = format_time(overrun.allowed_ms - overrun.used_ms)
    return (
        f"{describe(overrun)}. The last {margin} are kept for closing: the Close goes out 10% of what was set aside, "
        "250ms at most, before its end, so that no session uses more than its budget"
    )


def overrun_error(overrun: Overrun) -> BudgetExceeded | BudgetExhausted:
    """Return BudgetExhausted for a session that was refused, BudgetExceeded for what was used."""
    kind = BudgetExhausted if overrun.kind == "refused" else BudgetExceeded
    return kind(
        explain(overrun),
        budget=overrun.scope,
        used_seconds=seconds(overrun.used_ms),
        allowed_seconds=seconds(overrun.allowed_ms),
    )
