"""Budgets into a decision: may this lease be taken, now, and how much time and money does it set aside?

Amounts are milliseconds or millionths of a dollar, by the currency of their scope.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.errors import BudgetExceeded, BudgetExhausted
from pytest_dgbudget.model import Currency, Lease, Limit, Overrun, ScopeName
from pytest_dgbudget.rules.budget_names import budget_name, how_to_raise
from pytest_dgbudget.rules.meter import money_lasts_ms
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.units import format_amount, format_time, format_usd, seconds, usd

# Less than this left of a budget is not worth a session.
FLOOR_MS = 1000

# The vendor ends every session after two hours (changelog of 2026-07-31), so no lease needs more.
LONGEST_SESSION_MS = 2 * 3600 * 1000

# Budgets that tests share; what a [[path]] gives each of its tests is a test's.
_SHARED = frozenset({"run", "path", "window"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One budget and what has become of it.

    ``label`` says which, where a scope can have several: the period of a window, the glob of a path. ``was_cut``: it
    has cut a session, and nothing is left of it. What a cut leaves over is its margins. ``also_settled`` is the same
    use in the other currency; None where nobody asks for that.
    """

    name: ScopeName
    allowed: int
    settled: int
    leased: int
    currency: Currency = "time"
    label: str = ""
    was_cut: bool = False
    also_settled: int | None = None

    @property
    def left(self) -> int:
        """What is not settled. What is leased still counts as left: it may come back."""
        unsettled = self.allowed - self.settled
        return min(0, unsettled) if self.was_cut else unsettled

    @property
    def free(self) -> int:
        """What is neither settled nor leased."""
        return self.left - self.leased

    @property
    def limit(self) -> Limit:
        return Limit(scope=self.name, allowed=self.allowed, label=self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The lease may be taken: for this long, with so much set aside; and the scope that limited each.

    ``time`` None: only the vendor's own limit. ``money`` None: no budget in money applies.
    """

    allowance_ms: int
    micro_usd: int
    time: Scope | None
    money: Scope | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Others hold what is wanted of this scope; some of it may come back."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Refused:
    """This scope is nearly spent, even if all that is leased came back."""

    scope: Scope


Decision = Granted | Wait | Refused


def decide(scopes: Sequence[Scope], highest_price: int) -> Decision:
    """Decide on one lease against every budget that applies to it, the narrowest scope first.

    A lease asks for all the time that is left of the narrowest scope that is no window, and without one for the longest
    session there can be; and for what that costs at ``highest_price`` (micro-dollars a minute), or what is left of the
    test's budget in money. It takes what is left of a wider scope of which nobody else holds a lease, and waits where
    somebody does.
    """
    spent = next((scope for scope in scopes if _is_spent(scope, highest_price)), None)
    if spent is not None:
        return Refused(spent)
    of_time = [scope for scope in scopes if scope.currency == "time"]
    own = next((scope for scope in of_time if scope.name != "window"), None)
    time = _share(of_time, LONGEST_SESSION_MS if own is None else own.left, own)
    if isinstance(time, Wait):
        return time
    of_money = [scope for scope in scopes if scope.currency == "money"]
    money = _share(of_money, _money_wanted(of_money, price_of(time.amount, highest_price)), next(iter(of_money), None))
    if isinstance(money, Wait):
        return money
    return Granted(allowance_ms=time.amount, micro_usd=money.amount, time=time.scope, money=money.scope)


@dataclass(frozen=True, slots=True)
class _Share:
    """How much of what was wanted there is, and the scope that has no more."""

    amount: int
    scope: Scope | None


def _money_wanted(scopes: Sequence[Scope], price: int) -> int:
    """What all of the time costs, or what is left of the test's own budget."""
    return min([price, *(scope.left for scope in scopes if scope.name == "test")])


def _share(scopes: Sequence[Scope], wanted: int, narrowest: Scope | None) -> _Share | Wait:
    amount = wanted
    for scope in scopes:
        if scope.free >= wanted:
            continue
        if scope.leased > 0:
            return Wait(scope)
        if scope.free < amount:
            amount, narrowest = scope.free, scope
    return _Share(amount, narrowest)


def used_up_first(lease: Lease, highest_price: int) -> Currency:
    """Return in which currency a lease may end before the other one does, at the highest known price.

    Money that all of its time costs is never used up first, but for what is rounded up.
    """
    return "money" if lease.micro_usd < price_of(lease.allowance_ms, highest_price) else "time"


def free_ms(scope: Scope, highest_price: int) -> int:
    """Return how long what is free of a scope lasts: of one in money, at the highest known price."""
    if scope.currency == "time":
        return scope.free
    lasts_ms = money_lasts_ms(scope.free, [highest_price])
    return LONGEST_SESSION_MS if lasts_ms is None else lasts_ms


def _is_spent(scope: Scope, highest_price: int) -> bool:
    floor = FLOOR_MS if scope.currency == "time" else price_of(FLOOR_MS, highest_price)
    return scope.allowed == 0 or scope.left < min(floor, scope.allowed)


_WHAT_HAPPENED = {"cut": "used up", "refused": "nearly spent", "exceeded": "exceeded"}


def describe(overrun: Overrun) -> str:
    """Say what happened, the numbers and what to do; short enough for the reason of a Close frame (123 bytes)."""
    allows_nothing = overrun.kind == "refused" and overrun.allowed == 0
    happened = "allows nothing" if allows_nothing else _WHAT_HAPPENED[overrun.kind]
    remedy = how_to_raise(overrun.scope, overrun.label, overrun.currency)
    return f"{_budget(overrun)} {happened}, {_used(overrun)}; {remedy}"


def _budget(overrun: Overrun) -> str:
    return f"{budget_name(overrun.scope, overrun.label)} of {format_amount(overrun.allowed, overrun.currency)}"


def _used(overrun: Overrun) -> str:
    used = f"{format_amount(overrun.used, overrun.currency)} used"
    if overrun.also_used is None:
        return used
    if overrun.currency == "money":
        return f"{used} in {format_time(overrun.also_used)}"
    return f"{used} ({format_usd(overrun.also_used)})"


def is_shared_refusal(overrun: Overrun) -> bool:
    """Return whether a budget that tests share refused a session: --dg-on-exhausted says what comes of that."""
    return overrun.kind == "refused" and overrun.scope in _SHARED


def stop_reason(overrun: Overrun) -> str:
    """Say why a run stops that was asked to, where a budget refuses a session."""
    return f"stopping after a session was refused: {describe(overrun)}"


def explain(overrun: Overrun) -> str:
    """Say the same at length: why a session is cut or refused before all of its budget is used."""
    if overrun.kind == "exceeded" or overrun.used >= overrun.allowed:
        return describe(overrun)
    left = format_amount(overrun.allowed - overrun.used, overrun.currency)
    if overrun.kind == "refused":
        return f"{describe(overrun)}. The last {left} is less than one more session needs"
    return (
        f"{describe(overrun)}. The last {left} is kept for closing: the Close goes out 10% of the time that was set "
        "aside, 250ms at most, before its end, so that no session uses more than its budget"
    )


def overrun_error(overrun: Overrun) -> BudgetExceeded | BudgetExhausted:
    """Return BudgetExhausted for a session that was refused, BudgetExceeded for what was used."""
    kind = BudgetExhausted if overrun.kind == "refused" else BudgetExceeded
    if overrun.currency == "money":
        return kind(
            explain(overrun),
            budget=overrun.scope,
            used_seconds=seconds(overrun.also_used or 0),
            allowed_seconds=math.inf,
            used_usd=usd(overrun.used),
            allowed_usd=usd(overrun.allowed),
        )
    return kind(
        explain(overrun),
        budget=overrun.scope,
        used_seconds=seconds(overrun.used),
        allowed_seconds=seconds(overrun.allowed),
        used_usd=None if overrun.also_used is None else usd(overrun.also_used),
    )
