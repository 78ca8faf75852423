"""What a session was made of, collected from its events."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from pytest_dgbudget.gateway.events import (
    GreetingBegun,
    LatencyReported,
    RuleBroken,
    SessionEvent,
    SessionStalled,
    TierChanged,
    TurnEnded,
)
from pytest_dgbudget.model import MeasuredTurn, Stall, TierSpan, Violation
from pytest_dgbudget.rules.prices import PriceTable, cost_micro_usd

# In two hours nobody takes more turns, or gets more reports. Who changes the price more often than this is charged the
# highest from then on.
_MOST_TURNS = 10_000
_MOST_SPANS = 1_000
# More than these say no more.
_MOST_STALLS = 10


class SessionParts:
    """One session's turns, the vendor's latencies, violations, stalls, and what it costs.

    Until its Settings pass, that is the highest known price.
    """

    def __init__(self, prices: PriceTable) -> None:
        self._highest = TierChanged(
            session="", at_ms=0, from_ms=0, tier=None, micro_usd_per_minute=prices.highest(), estimated=True
        )
        self._tiers = [self._highest]
        self.greeting_ms: int | None = None
        self.turns: list[MeasuredTurn] = []
        self.vendor_latencies_ms: list[int] = []
        self.violations: list[Violation] = []
        self.stalls: list[Stall] = []

    def note(self, event: SessionEvent) -> None:
        """Take in an event of the session's."""
        if isinstance(event, TierChanged):
            self._note_tier(event)
        elif isinstance(event, TurnEnded) and len(self.turns) < _MOST_TURNS:
            self.turns.append(event.turn)
        elif isinstance(event, LatencyReported) and len(self.vendor_latencies_ms) < _MOST_TURNS:
            self.vendor_latencies_ms.append(event.vendor_ms)
        elif isinstance(event, RuleBroken):
            self.violations.append(event.violation)
        elif isinstance(event, SessionStalled) and len(self.stalls) < _MOST_STALLS:
            self.stalls.append(event.stall)
        elif isinstance(event, GreetingBegun):
            self.greeting_ms = event.greeting_ms

    def _note_tier(self, changed: TierChanged) -> None:
        if changed.from_ms == 0:
            self._tiers = [changed]  # in the place of all before it
        elif len(self._tiers) < _MOST_SPANS:
            self._tiers.append(changed)
        elif len(self._tiers) == _MOST_SPANS:
            self._tiers.append(replace(self._highest, at_ms=changed.at_ms, from_ms=changed.from_ms))

    def tier_spans(self, used_ms: int) -> tuple[TierSpan, ...]:
        """Return the parts at one price of a session that has used so much."""
        starts = [min(each.from_ms, used_ms) for each in self._tiers]
        return tuple(
            TierSpan(
                from_ms=start,
                ms=end - start,
                tier=each.tier,
                micro_usd_per_minute=each.micro_usd_per_minute,
                estimated=each.estimated,
            )
            for each, (start, end) in zip(self._tiers, pairwise([*starts, used_ms]), strict=True)
        )

    @property
    def micro_usd_per_minute(self) -> int:
        """What the session costs by now."""
        return self._tiers[-1].micro_usd_per_minute

    def price_after(self, micro_usd_per_minute: int) -> int:
        """Return what the session will cost once a message with this price has passed."""
        if len(self._tiers) < _MOST_SPANS:
            return micro_usd_per_minute
        return self._highest.micro_usd_per_minute

    def micro_usd(self, used_ms: int) -> int:
        """Return what so much of the session costs, in millionths of a dollar."""
        return cost_micro_usd(self.tier_spans(used_ms))
