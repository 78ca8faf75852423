"""What a run is charged, and how much of that nobody saw used. Of runs without what went elsewhere than they did."""

from __future__ import annotations

from typing import NamedTuple

from pytest_dgbudget.ledger.facts import LeaseFacts, RunFacts
from pytest_dgbudget.units import known_sum


class AtRisk(NamedTuple):
    """Milliseconds, and millionths of a dollar at the price at which they were set aside; None: no price is known."""

    ms: int
    micro_usd: int | None


def charged_ms(facts: RunFacts) -> int:
    """Return what a run is charged, with what is in an archive."""
    return sum(lease.charged_ms for lease in facts.leases) + sum(part.ms for part in facts.archived)


def charged_micro_usd(facts: RunFacts) -> int | None:
    """Return what that costs; None where the price of a part was not recorded."""
    return known_sum(
        (*(lease.charged_micro_usd for lease in facts.leases), *(part.micro_usd for part in facts.archived))
    )


def at_risk_of(facts: RunFacts) -> AtRisk:
    """Return what the statement may still lower: until it says something of a lease, all that was not metered.

    What others of the run have open is lost to nobody: they go on, and will say what they used.
    """
    others = facts.others_under_way()
    seen_ms: dict[str, int] = {}
    seen_micro_usd: dict[str, int] = {}
    for session in facts.sessions:
        seen_ms[session.lease] = seen_ms.get(session.lease, 0) + (session.ms or 0)
        seen_micro_usd[session.lease] = seen_micro_usd.get(session.lease, 0) + (session.micro_usd or 0)
    lost = (lease for lease in facts.leases if lease.how is not None or lease.attempt not in others)
    unseen = [lease for lease in lost if _is_unseen(lease, seen_ms.get(lease.id, 0))]
    return AtRisk(
        ms=sum(lease.charged_ms - seen_ms.get(lease.id, 0) for lease in unseen),
        micro_usd=known_sum(_beyond(lease.charged_micro_usd, seen_micro_usd.get(lease.id, 0)) for lease in unseen),
    )


def open_beside_ms(facts: RunFacts, invocation: str) -> int:
    """Return what invocations of the run that go on beside this one have set aside: charged until they settle it."""
    beside = {each.id for each in facts.invocations if each.is_under_way and each.id != invocation}
    attempts = {attempt.id for attempt in facts.attempts if attempt.invocation in beside}
    return sum(lease.charged_ms for lease in facts.leases if lease.how is None and lease.attempt in attempts)


def _is_unseen(lease: LeaseFacts, seen_ms: int) -> bool:
    return lease.how != "settled" and lease.stated_ms is None and lease.charged_ms > seen_ms


def _beyond(charged_micro_usd: int | None, seen_micro_usd: int) -> int | None:
    return None if charged_micro_usd is None else max(0, charged_micro_usd - seen_micro_usd)
