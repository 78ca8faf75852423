"""Vendors that bill honestly, each in its own way, and the sessions that they bill: all from a seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from pytest_dgbudget.rules.comparison import Ours, OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.statement import StatementSnapshot
from pytest_dgbudget.rules.verdicts import Tolerance
from pytest_dgbudget.units import known_sum

from .reconciliation import NOW_MS, OURS, TAGS, was_read

PRICES = {"standard": 75_000, "custom-byo-llm": 65_000, "advanced": 163_000}
GRACE_MS = 600_000
TERMS = Terms(tolerance=Tolerance(ms=2000, share=0.05), grace_ms=GRACE_MS, now_ms=NOW_MS, prices=PRICES)
COLLEAGUES = frozenset(["dgbudget-colleague"])
_WEEK_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, kw_only=True)
class Billing:
    """How a vendor counts, rounds and shows.

    ``clock``: by how much its clock runs faster than ours. ``counts_handshake``, ``counts_close``: whether it bills
    from the dial or the 101, and to the Close or the end of the connection. ``elapsed``: what the times of its rows
    say: what was billed, something else, or nothing.
    """

    clock: float
    counts_handshake: bool
    counts_close: bool
    rounds_up: bool
    shows_durations: bool
    shows_tags: bool
    elapsed: str

    @classmethod
    def drawn(cls, random: Random) -> Billing:
        return cls(
            clock=random.choice([0.0, 200e-6, -200e-6]),
            counts_handshake=random.random() < 0.5,
            counts_close=random.random() < 0.5,
            rounds_up=random.random() < 0.5,
            shows_durations=random.random() < 0.5,
            shows_tags=random.random() < 0.8,
            elapsed=random.choice(["billed", "other", "nothing"]),
        )

    def billed_ms(self, session: OwnSession, random: Random) -> int:
        assert session.ms is not None
        assert session.handshake_ms is not None
        assert session.closing_ms is not None
        ms = session.ms * (1 + self.clock) + random.uniform(0, 400)  # when it notices the end
        ms -= 0 if self.counts_handshake else session.handshake_ms
        ms -= 0 if self.counts_close else session.closing_ms
        return math.ceil(ms / 1000) * 1000 if self.rounds_up else round(ms)

    def row(self, session: OwnSession, ms: int, random: Random, **fields: Any) -> VendorRow:
        """The row of a session for which ``ms`` are billed."""
        elapsed = {"billed": ms, "other": ms + random.randrange(60_000), "nothing": None}[self.elapsed]
        known: dict[str, Any] = {
            "request_id": session.request_id,
            "created": str(session.opened_at_ms),
            "created_ms": session.opened_at_ms,
            "duration_ms": ms if self.shows_durations else None,
            "elapsed_ms": elapsed,
            "micro_usd": round(ms * PRICES[session.tier or "standard"] / 60_000),
            "key_id": "the project's",
            "tags": TAGS if self.shows_tags else None,
            "agent": True,
            "settled": True,
        }
        return VendorRow(**{**known, **fields})


def metered(number: int, random: Random, **fields: Any) -> OwnSession:
    """A session of a few seconds to two minutes, in the last week."""
    ms = round(random.uniform(2000, 120_000))
    opened_at_ms = NOW_MS - random.randrange(2 * GRACE_MS, _WEEK_MS)
    known: dict[str, Any] = {
        "id": f"session-{number}",
        "request_id": f"request-{number:06}",
        "ms": ms,
        "opened_at_ms": opened_at_ms,
        "ended_at_ms": opened_at_ms + ms,
        "tagged": True,
        "handshake_ms": random.randrange(50, 901),
        "closing_ms": random.randrange(5, 300),
        "tier": "standard",
    }
    return OwnSession(**{**known, **fields})


def statement(rows: Iterable[VendorRow], hours_ms: int, ours: Ours = OURS, **fields: Any) -> StatementSnapshot:
    """All that was read; ``hours_ms`` are those under the tag or key, the dollars those of its rows."""
    rows = tuple(rows)
    known: dict[str, Any] = {
        "taken_at_ms": NOW_MS,
        "project": "project-1",
        "listing": was_read(True),
        "lookups": was_read(None),
        "hours": was_read(hours_ms),
        "dollars": was_read(known_sum(row.micro_usd for row in rows if ours.has(row) is not False)),
    }
    return StatementSnapshot(rows=rows, **{**known, **fields})


def honest_run(random: Random) -> tuple[Sequence[OwnSession], StatementSnapshot]:
    """The sessions of one run, and the statement of an honest vendor, in which colleagues have sessions as well."""
    billing, tier = Billing.drawn(random), random.choice(list(PRICES))
    sessions = [metered(number, random, tier=tier) for number in range(random.choice([1, 5, 19, 20, 40, 100]))]
    billed = [billing.billed_ms(session, random) for session in sessions]
    rows = [billing.row(session, ms, random) for session, ms in zip(sessions, billed, strict=True)]
    dollars = known_sum(row.micro_usd for row in rows)
    for number in range(random.randrange(5)):
        session = metered(1000 + number, random)
        rows.append(billing.row(session, 5000, random, tags=COLLEAGUES if billing.shows_tags else None))
    random.shuffle(rows)
    return sessions, statement(rows, sum(billed), dollars=was_read(dollars))
