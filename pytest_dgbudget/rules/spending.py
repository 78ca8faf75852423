"""What sessions have spent, by test, and why one time it was more than another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_dgbudget.units import rounded_up

if TYPE_CHECKING:
    from pytest_dgbudget.model import Currency

# new-tests, gone-tests: those that only one of both has. Of a test that both have: how many sessions it had, how long
# they were, what a minute cost (tier or price list), what comes of the rounding of costs alone, and what was charged
# but not metered.
Reason = Literal["new-tests", "gone-tests", "sessions", "length", "price", "rounding", "unseen", "unlisted"]


class Spent(NamedTuple):
    """``metered`` sessions are those whose end somebody saw; ``sessions`` opened. Milliseconds, micro-dollars.

    ``micro_usd`` is what is known of the cost: ``unpriced`` leases have no price. ``unseen_…`` is the part of both that
    was charged but not metered: what is at risk. ``vendor_micro_usd``: what the statement has, ``unstated`` leases
    not in it. Of ``estimated`` sessions, leases or attempts, the cost is the highest that it may be.
    """

    sessions: int = 0
    metered: int = 0
    ms: int = 0
    micro_usd: int = 0
    unpriced: int = 0
    unseen_ms: int = 0
    unseen_micro_usd: int = 0
    vendor_micro_usd: int = 0
    unstated: int = 0
    estimated: int = 0

    @property
    def cost_micro_usd(self) -> int | None:
        """What it cost; None where a part of that is not known."""
        return None if self.unpriced else self.micro_usd

    @property
    def is_estimated(self) -> bool:
        """Whether a part of the cost is the highest that it may be: of a tier, or of what nobody saw being used."""
        return bool(self.estimated or self.unseen_ms)

    @property
    def stated_micro_usd(self) -> int | None:
        """What it cost by the vendor's statement; None where that lacks a part, or there is nothing to state."""
        return None if self.unstated or not self.sessions else self.vendor_micro_usd


def total(spendings: Iterable[Spent]) -> Spent:
    """Return what several come to."""
    return Spent(*map(sum, zip(*spendings, strict=True)))


class ChangePart(NamedTuple):
    """How much of a difference is for one reason, in milliseconds or micro-dollars.

    ``tests`` counts those that changed as the sum did: up or down; ``mostly`` is the one of them that changed most.
    """

    reason: Reason
    amount: int
    tests: int = 0
    mostly: str | None = None


def change_parts(before: Mapping[str, Spent], after: Mapping[str, Spent], currency: Currency) -> list[ChangePart]:
    """Return why the sum over all tests is another one: the largest part first. The parts add up to the difference.

    ``before`` and ``after`` have what each test spent.
    """
    found: dict[Reason, dict[str, int]] = {}
    for nodeid in {**before, **after}:
        for reason, amount in _reasons(before.get(nodeid), after.get(nodeid), currency):
            if amount:
                found.setdefault(reason, {})[nodeid] = amount
    parts = [_part(reason, amounts) for reason, amounts in found.items() if sum(amounts.values())]
    return sorted(parts, key=lambda part: (-abs(part.amount), part.reason))


def _part(reason: Reason, amounts: Mapping[str, int]) -> ChangePart:
    amount = sum(amounts.values())
    alike = {nodeid: abs(change) for nodeid, change in amounts.items() if (change > 0) == (amount > 0)}
    mostly = max(alike, key=lambda nodeid: (alike[nodeid], nodeid))
    return ChangePart(reason, amount, len(alike), mostly)


def amount_of(spending: Spent, currency: Currency) -> int:
    """Return what was spent; in money, as far as that is known."""
    return spending.ms if currency == "time" else spending.micro_usd


def _reasons(before: Spent | None, after: Spent | None, currency: Currency) -> Iterator[tuple[Reason, int]]:
    if before is None or after is None:
        if after is not None:
            yield "new-tests", amount_of(after, currency)
        if before is not None:
            yield "gone-tests", -amount_of(before, currency)
        return
    unseen = _unseen(after, currency) - _unseen(before, currency)
    yield from _of_metered(before, after, currency)
    yield "unseen", unseen


def _of_metered(before: Spent, after: Spent, currency: Currency) -> Iterator[tuple[Reason, int]]:
    """One after the other: as many sessions as after, then as long as after, and at last at the price of after."""
    first, last = _seen(before, currency), _seen(after, currency)
    ms, ms_after = _seen(before, "time"), _seen(after, "time")
    if before.metered and ms > 0:
        as_many = first * after.metered // before.metered
        as_long = first * ms_after // ms
    else:
        as_many = as_long = last
    yield "sessions", as_many - first
    yield "length", as_long - as_many
    by_price = last - as_long
    yield "rounding" if abs(by_price) <= _most_rounded(before, after) else "price", by_price


def _most_rounded(before: Spent, after: Spent) -> int:
    """Return how many micro-dollars may be of rounding: each session's time is to a millisecond, its cost to one."""
    ms, ms_after = _seen(before, "time"), _seen(after, "time")
    if ms <= 0:
        return 0
    of_a_session = 1 + rounded_up(_seen(before, "money"), ms)
    sessions = after.metered + rounded_up(before.metered * ms_after, ms)
    return of_a_session * sessions + 1  # what was taken apart is rounded once more


def _seen(spending: Spent, currency: Currency) -> int:
    return amount_of(spending, currency) - _unseen(spending, currency)


def _unseen(spending: Spent, currency: Currency) -> int:
    return spending.unseen_ms if currency == "time" else spending.unseen_micro_usd
