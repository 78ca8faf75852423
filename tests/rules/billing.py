"""Vendors that bill honestly, each in its own way, and the sessions that they bill: all from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
RUN_KEY = "the run's"
# By its tag, and by a key of its own.
OWN = Ours(tags=TAGS, keys=frozenset([RUN_KEY]))
_WEEK_MS = 7 * 24 * 3_600_000


Rounding = Callable[[float], int]


@dataclass(frozen=True, kw_only=True)
class Billing:
    """How a vendor counts, rounds and shows.

    ``clock``: by how much its clock runs faster than ours. ``counts_handshake``, ``counts_close``: whether it bills
    from the dial or the 101, and to the Close or the end of the connection. ``rounds``: to whole seconds.
    ``elapsed``: what the times of its rows say: what was billed, something else, or nothing.
    """

    clock: float
    counts_handshake: bool
    counts_close: bool
    rounds: Rounding | None
    shows_durations: bool
    shows_tags: bool
    elapsed: str

    @classmethod
    def drawn(cls, random: Random) -> Billing:
        return cls(
            clock=random.choice([0.0, 200e-6, -200e-6]),
            counts_handshake=random.random() < 0.5,
            counts_close=random.random() < 0.5,
            rounds=random.choice([None, None, math.ceil, math.ceil, math.floor, round]),
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
        return round(ms) if self.rounds is None else self.rounds(ms / 1000) * 1000

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


@dataclass(frozen=True, kw_only=True)
class HonestRun:
    """The sessions of one run, its dials that never opened, and the statement of an honest vendor."""

    sessions: Sequence[OwnSession]
    dials: Sequence[OwnSession]
    snapshot: StatementSnapshot


def honest_run(random: Random) -> HonestRun:
    """A run under a key of its own. Colleagues have sessions as well, of which some are open now."""
    billing, tier = Billing.drawn(random), random.choice(list(PRICES))
    count = random.choice([1, 5, 19, 20, 40, 100])
    lengths_ms = random.choice([(2000, 120_000), (2000, 120_000), (600, 950)])
    sessions = [_dialled(number, random, tier, lengths_ms) for number in range(count)]
    billed = [billing.billed_ms(session, random) for session in sessions]
    rows = [billing.row(session, ms, random, key_id=RUN_KEY) for session, ms in zip(sessions, billed, strict=True)]
    dials = [failed_dial(number, random) for number in range(random.randrange(3))]
    of_dials = [_row_of_dial(billing, dial, number, random) for number, dial in enumerate(dials)]
    dollars = known_sum(row.micro_usd for row in (*rows, *of_dials))
    rows += [*of_dials, *(step for row in rows if random.random() < 0.1 for step in _steps(row))]
    rows += [_of_a_colleague(billing, number, random) for number in range(random.randrange(5))]
    random.shuffle(rows)
    hours_ms = sum(billed) + sum(row.duration_ms or 0 for row in of_dials)
    return HonestRun(sessions=sessions, dials=dials, snapshot=statement(rows, hours_ms, dollars=was_read(dollars)))


def _dialled(number: int, random: Random, tier: str, lengths_ms: tuple[int, int]) -> OwnSession:
    """One in twenty had a handshake of five seconds."""
    ms, handshake_ms, closing_ms = random.randint(*lengths_ms), random.randrange(50, 901), random.randrange(5, 300)
    if random.random() < 0.05:
        handshake_ms = 5000
    session = metered(number, random, tier=tier, handshake_ms=handshake_ms, closing_ms=closing_ms)
    assert session.opened_at_ms is not None
    ms += handshake_ms + closing_ms
    return replace(session, ms=ms, ended_at_ms=session.opened_at_ms + ms)


def failed_dial(number: int, random: Random) -> OwnSession:
    """A dial that was refused, or of which no id came."""
    ms = random.randrange(50, 2000)
    dial = metered(2000 + number, random, handshake_ms=None, closing_ms=None, tagged=False, opened=False)
    assert dial.opened_at_ms is not None
    request_id = random.choice([dial.request_id, None])
    return replace(dial, request_id=request_id, ms=ms, ended_at_ms=dial.opened_at_ms + ms)


def _row_of_dial(billing: Billing, dial: OwnSession, number: int, random: Random) -> VendorRow:
    """Billed for nothing, or for what it took."""
    ms = random.choice([0, dial.ms or 0])
    row = billing.row(dial, ms, random, key_id=RUN_KEY, tags=frozenset(), elapsed_ms=ms, duration_ms=ms)
    return replace(row, request_id=dial.request_id or f"unseen-{number}", settled=bool(row.micro_usd))


def _steps(row: VendorRow) -> Iterable[VendorRow]:
    """The same row as it was before all of it was there."""
    yield replace(row, duration_ms=None, elapsed_ms=None, micro_usd=None, created=f"{row.created} ")
    yield replace(row, elapsed_ms=None, micro_usd=None)
    yield replace(row, settled=False, tags=None, duration_ms=None, elapsed_ms=None, micro_usd=0)


def _of_a_colleague(billing: Billing, number: int, random: Random) -> VendorRow:
    session = metered(1000 + number, random)
    if random.random() < 0.3:
        return billing.row(session, 0, random, tags=None, duration_ms=None, micro_usd=None, settled=False)
    return billing.row(session, 5000, random, tags=COLLEAGUES if billing.shows_tags else None)
