"""What a session was made of: at every price once, and bounded."""

from __future__ import annotations

from pytest_dgbudget.gateway.events import LatencyReported, TierChanged, TurnEnded
from pytest_dgbudget.gateway.session_parts import SessionParts
from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.rules.prices import SHIPPED

TURN = MeasuredTurn(
    started_ms=1, since="text", answered_ms=2, overlapped=False, unpaced=False, continued=False, function_ms=0
)


def changed(from_ms: int, price: int, tier: str = "standard") -> TierChanged:
    return TierChanged(
        session="s", at_ms=from_ms, from_ms=from_ms, tier=tier, micro_usd_per_minute=price, estimated=False
    )


def test_who_changes_the_price_without_end_is_charged_the_highest_in_the_end() -> None:
    parts = SessionParts(SHIPPED)
    for number in range(5000):
        parts.note(changed(number, 75_000 if number % 2 else 50_000))
    spans = parts.tier_spans(10_000)
    assert len(spans) == 1001
    assert sum(span.ms for span in spans) == 10_000
    assert (spans[-1].micro_usd_per_minute, spans[-1].estimated) == (SHIPPED.highest(), True)


def test_turns_and_reports_without_end_are_not_all_kept() -> None:
    parts = SessionParts(SHIPPED)
    for number in range(20_000):
        parts.note(TurnEnded(session="s", at_ms=3, turn=TURN))
        parts.note(LatencyReported(session="s", at_ms=3, vendor_ms=number))
    assert len(parts.turns) == 10_000
    assert parts.vendor_latencies_ms == [*range(10_000)]
