"""What the vendor charges for a minute of each tier, against what it should cost.

Pure: integer milliseconds and millionths of a US dollar. A difference counts only beyond what the times leave open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_dgbudget.rules.comparison import Line, Terms
from pytest_dgbudget.rules.verdicts import Tolerance
from pytest_dgbudget.units import counted, usd

_FEWEST_LINES, _SHORTEST_MS = 5, 60_000
_ALLOWED_PERCENT = 2
_MINUTE_MS = 60_000
_WHOLE_SECOND_MS = 1000
# So many sessions are not of one length by chance.
_FEWEST_OF_ONE_LENGTH = 20


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
    by_tier: dict[str, list[Line]] = {}
    for line in lines:
        tier = _tier_of(line)
        if tier is not None and (tier in terms.prices or tier in terms.shipped):
            by_tier.setdefault(tier, []).append(line)
    rates = (_rate(tier, found, terms) for tier, found in sorted(by_tier.items()))
    return tuple(rate for rate in rates if rate.n >= _FEWEST_LINES and rate.ms >= _SHORTEST_MS)


def rate_remarks(rates: Iterable[TierRate]) -> Iterator[str]:
    """Say where the shipped table has another price: it may be out of date, or the contract another one."""
    for rate in rates:
        if rate.wrong and not rate.named:
            yield (
                f"the statement has ${usd(rate.micro_usd_per_minute):.4f} a minute for the tier {rate.tier} "
                f"({rate.n} sessions), the shipped prices have ${usd(rate.expected_micro_usd_per_minute):.4f}: "
                "name yours in [prices] of dgbudget.toml"
            )


def tier_change_remarks(lines: Iterable[Line], terms: Terms) -> Iterator[str]:
    """Say where sessions whose tier changed cost something else than by our prices: what a change costs is documented
    nowhere, so it is compared and not judged.
    """
    costs = [each for line in lines if (each := _costs_of_change(line, terms)) is not None]
    own, vendor = sum(cost.own for cost in costs), sum(cost.vendor for cost in costs)
    if abs(vendor - own) > sum(cost.allowed for cost in costs) + own * _ALLOWED_PERCENT // 100:
        yield (
            f"{counted(len(costs), 'session')} changed the tier: by our prices that is ${usd(own):.4f}, the statement "
            f"has ${usd(vendor):.4f}; what a change of tier costs is not documented, so it is compared and not judged"
        )


class _Costs(NamedTuple):
    """What a session cost, by us and by the statement, and what its time leaves open, in millionths of a dollar."""

    own: int
    vendor: int
    allowed: int


def _costs_of_change(line: Line, terms: Terms) -> _Costs | None:
    if len(line.own) != 1 or len(line.rows) != 1:
        return None
    (session,), (row,) = line.own, line.rows
    own, ms = session.changed_micro_usd, session.ms
    if own is None or not ms or row.micro_usd is None or not row.settled:
        return None
    return _Costs(own, row.micro_usd, own * terms.tolerance.allowed_ms(ms) // ms)


def _tier_of(line: Line) -> str | None:
    """Return the tier of the one session of a line whose cost is known; None for others."""
    if len(line.own) != 1 or len(line.rows) != 1:
        return None
    (session,), (row,) = line.own, line.rows
    if session.ms is None or row.micro_usd is None or not row.settled:
        return None
    return session.tier


def _rate(tier: str, lines: Sequence[Line], terms: Terms) -> TierRate:
    named = tier in terms.prices
    price = terms.prices[tier] if named else terms.shipped[tier]
    times = _Times(terms.tolerance, lines)
    micro_usd = sum(line.micro_usd or 0 for line in lines)
    side = _side(micro_usd, price, *times.of_all())
    off = (line.request_id or "" for line in lines if side == _side(line.micro_usd or 0, price, *times.of(line)))
    return TierRate(
        tier=tier,
        n=len(lines),
        ms=sum(map(_time_of, lines)),
        micro_usd=micro_usd,
        expected_micro_usd_per_minute=price,
        named=named,
        off=frozenset(off) if side else frozenset(),
    )


def _time_of(line: Line) -> int:
    """The duration that the row states, or else ours."""
    ms = line.own_ms if line.vendor_ms is None else line.vendor_ms
    return ms or 0


class _Times:
    """How long sessions may have been, at least and at most, by what is known of them.

    Durations in whole seconds may have been rounded for show alone, unless what each cost is one price of the duration
    that is shown. Without one, the time is ours, as far as the tolerance lets it be another.
    """

    def __init__(self, tolerance: Tolerance, lines: Sequence[Line]) -> None:
        self._tolerance = tolerance
        self._lines = lines
        whole = all(_time_of(line) % _WHOLE_SECOND_MS == 0 for line in lines)
        self._rounded_ms = _WHOLE_SECOND_MS if whole and not _are_charged_as_shown(lines) else 0

    def of(self, line: Line) -> tuple[int, int]:
        """Return the shortest and the longest that a session may have been, in milliseconds."""
        ms = _time_of(line)
        allowed_ms = around_ms = 0
        if line.vendor_ms is None:
            allowed_ms, around_ms = self._tolerance.allowed_ms(ms), line.around_ms or 0
        return ms - around_ms - allowed_ms - self._rounded_ms, ms + allowed_ms + self._rounded_ms

    def of_all(self) -> tuple[int, int]:
        """Return the same of all together."""
        shortest_ms = longest_ms = 0
        for line in self._lines:
            at_least, at_most = self.of(line)
            shortest_ms, longest_ms = shortest_ms + at_least, longest_ms + at_most
        return shortest_ms, longest_ms


def _are_charged_as_shown(lines: Sequence[Line]) -> bool:
    """Return whether one price explains the dollars of each row by the duration that it shows.

    What was rounded for show alone was charged by other times, each by its own.
    """
    shown = [(line.vendor_ms, line.micro_usd) for line in lines]
    known = [(ms, micro_usd) for ms, micro_usd in shown if ms and micro_usd is not None]
    if len(known) < len(lines) or (len(lines) < _FEWEST_OF_ONE_LENGTH and len({ms for ms, _ in known}) == 1):
        return False
    # A millionth of a dollar is the least that is shown: half of one may have been rounded.
    least = max((2 * micro_usd - 1) / ms for ms, micro_usd in known)
    most = min((2 * micro_usd + 1) / ms for ms, micro_usd in known)
    return least <= most


def _side(micro_usd: int, price: int, shortest_ms: int, longest_ms: int) -> int:
    """Return 1 where it cost too much, -1 where too little, 0 where a time that it may have had explains it."""
    paid = micro_usd * _MINUTE_MS * 100
    if paid > price * longest_ms * (100 + _ALLOWED_PERCENT):
        return 1
    return -1 if paid < price * shortest_ms * (100 - _ALLOWED_PERCENT) else 0
