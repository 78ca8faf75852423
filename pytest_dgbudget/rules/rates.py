"""What the vendor charges for a minute of each tier, against what it should cost.

Pure: integer milliseconds and millionths of a US dollar. A difference counts only beyond what the times leave open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_dgbudget.rules.comparison import Line, Terms
from pytest_dgbudget.rules.verdicts import Tolerance
from pytest_dgbudget.units import usd

_FEWEST_LINES, _SHORTEST_MS = 5, 60_000
_ALLOWED_PERCENT = 2
_MINUTE_MS = 60_000
_WHOLE_SECOND_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRate:
    """What the statement has for the sessions of one tier that were compared: ``n`` of them, ``ms`` in all.

    ``named``: the expected price is one that the user named, else the shipped table's. ``wrong``: the two differ.
    ``off`` are the request ids of the sessions by which they do.
    """

    tier: str
    n: int
    ms: int
    micro_usd: int
    expected_micro_usd_per_minute: int
    named: bool
    off: frozenset[str]

    @property
    def wrong(self) -> bool:
        return bool(self.off)

    @property
    def micro_usd_per_minute(self) -> int:
        """The price that the statement comes to."""
        return round(self.micro_usd * _MINUTE_MS / self.ms)


def rates_of(lines: Iterable[Line], terms: Terms) -> tuple[TierRate, ...]:
    """Judge the price of each tier of which enough sessions were compared; ``lines`` are those whose time agrees."""
    by_tier: dict[str, list[_Charge]] = {}
    for line in lines:
        charge = _charge(line, terms.tolerance)
        if charge is not None:
            by_tier.setdefault(charge.tier, []).append(charge)
    return tuple(
        _rate(tier, charges, terms)
        for tier, charges in sorted(by_tier.items())
        if len(charges) >= _FEWEST_LINES
        and sum(charge.ms for charge in charges) >= _SHORTEST_MS
        and (tier in terms.prices or tier in terms.shipped)
    )


def rate_remarks(rates: Iterable[TierRate]) -> Iterator[str]:
    """Say where the shipped table has another price: it may be out of date, or the contract another one."""
    for rate in rates:
        if rate.wrong and not rate.named:
            yield (
                f"the statement has ${usd(rate.micro_usd_per_minute):.4f} a minute for the tier {rate.tier} "
                f"({rate.n} sessions), the shipped prices have ${usd(rate.expected_micro_usd_per_minute):.4f}: "
                "name yours in [prices] of dgbudget.toml"
            )


class _Charge(NamedTuple):
    """What one session cost, and how long it was at least and at most by what is known of it."""

    request_id: str
    tier: str
    micro_usd: int
    ms: int
    shortest_ms: int
    longest_ms: int


def _charge(line: Line, tolerance: Tolerance) -> _Charge | None:
    """The time is the one that the row states; without one it is ours, as far as the tolerance lets it be another."""
    if len(line.own) != 1 or len(line.rows) != 1:
        return None
    (session,), (row,) = line.own, line.rows
    if session.tier is None or session.ms is None or row.micro_usd is None or not row.settled:
        return None
    if row.duration_ms is not None:
        ms = row.duration_ms
        return _Charge(row.request_id, session.tier, row.micro_usd, ms, ms, ms)
    allowed_ms = tolerance.allowed_ms(session.ms)
    shortest_ms, longest_ms = session.ms - (line.around_ms or 0) - allowed_ms, session.ms + allowed_ms
    return _Charge(row.request_id, session.tier, row.micro_usd, session.ms, shortest_ms, longest_ms)


def _rate(tier: str, charges: Sequence[_Charge], terms: Terms) -> TierRate:
    named = tier in terms.prices
    price = terms.prices[tier] if named else terms.shipped[tier]
    # Durations in whole seconds may have been rounded for show alone.
    rounded_ms = _WHOLE_SECOND_MS if all(charge.ms % _WHOLE_SECOND_MS == 0 for charge in charges) else 0
    micro_usd = sum(charge.micro_usd for charge in charges)
    shortest_ms = sum(charge.shortest_ms - rounded_ms for charge in charges)
    longest_ms = sum(charge.longest_ms + rounded_ms for charge in charges)
    side = _side(micro_usd, price, shortest_ms, longest_ms)
    off = (
        charge.request_id
        for charge in charges
        if side == _side(charge.micro_usd, price, charge.shortest_ms - rounded_ms, charge.longest_ms + rounded_ms)
    )
    return TierRate(
        tier=tier,
        n=len(charges),
        ms=sum(charge.ms for charge in charges),
        micro_usd=micro_usd,
        expected_micro_usd_per_minute=price,
        named=named,
        off=frozenset(off) if side else frozenset(),
    )


def _side(micro_usd: int, price: int, shortest_ms: int, longest_ms: int) -> int:
    """Return 1 where it cost too much, -1 where too little, 0 where a time that it may have had explains it."""
    paid = micro_usd * _MINUTE_MS * 100
    if paid > price * longest_ms * (100 + _ALLOWED_PERCENT):
        return 1
    return -1 if paid < price * shortest_ms * (100 - _ALLOWED_PERCENT) else 0
