"""What a run is charged, and how much of that nobody saw used. Of runs without what went elsewhere than they did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_dgbudget.ledger.facts import LeaseFacts, RunFacts, SessionFacts
from pytest_dgbudget.units import known_sum


class AtRisk(NamedTuple):
    """Milliseconds, and millionths of a dollar at the price at which they were set aside; None: no price is known."""

    ms: int
    micro_usd: int | None


NOTHING = AtRisk(0, 0)


def charged_ms(facts: RunFacts) -> int:
    """Return what a run is charged, with what is in an archive."""
    return sum(lease.charged_ms for lease in facts.leases) + sum(part.ms for part in facts.archived)


def charged_micro_usd(facts: RunFacts) -> int | None:
    """Return what that costs; None where the price of a part was not recorded."""
    return known_sum(
        (*(lease.charged_micro_usd for lease in facts.leases), *(part.micro_usd for part in facts.archived))
    )


def at_risk_of(facts: RunFacts) -> AtRisk:
    """Return what of a run's charge is at risk."""
    return _sum_of(at_risk_by_attempt(facts).values())


def at_risk_by_attempt(facts: RunFacts) -> dict[str, AtRisk]:
    """Return what the statement may still lower: until it says something of a lease, all that was not metered.

    What others of the run have open is lost to nobody: they go on, and will say what they used.
    """
    others = facts.others_under_way()
    seen: dict[str, list[SessionFacts]] = {}
    for session in facts.sessions:
        seen.setdefault(session.lease, []).append(session)
    found: dict[str, AtRisk] = {attempt.id: NOTHING for attempt in facts.attempts}
    for lease in facts.leases:
        if lease.how is not None or lease.attempt not in others:
            of_lease = _at_risk_of_lease(lease, seen.get(lease.id, []))
            found[lease.attempt] = _sum_of([found.get(lease.attempt, NOTHING), of_lease])
    return found


def set_aside_ms(facts: RunFacts) -> int:
    """Return what open sessions of invocations that go on have set aside: charged until they settle it."""
    under_way = facts.others_under_way()
    return sum(lease.charged_ms for lease in facts.leases if lease.how is None and lease.attempt in under_way)


def open_beside_ms(facts: RunFacts, invocation: str) -> int:
    """Return what invocations of the run that go on beside this one have set aside: charged until they settle it."""
    beside = {each.id for each in facts.invocations if each.is_under_way and each.id != invocation}
    attempts = {attempt.id for attempt in facts.attempts if attempt.invocation in beside}
    return sum(lease.charged_ms for lease in facts.leases if lease.how is None and lease.attempt in attempts)


def _at_risk_of_lease(lease: LeaseFacts, sessions: Sequence[SessionFacts]) -> AtRisk:
    ms = lease.charged_ms - sum(session.ms or 0 for session in sessions)
    if lease.how == "settled" or lease.stated_ms is not None or ms <= 0:
        return NOTHING
    seen_micro_usd = sum(session.micro_usd or 0 for session in sessions)
    charged = lease.charged_micro_usd
    return AtRisk(ms, None if charged is None else max(0, charged - seen_micro_usd))


def _sum_of(parts: Iterable[AtRisk]) -> AtRisk:
    parts = list(parts)
    return AtRisk(sum(part.ms for part in parts), known_sum(part.micro_usd for part in parts))
