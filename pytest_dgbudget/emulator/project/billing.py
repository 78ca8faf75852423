"""The project's bill: what each session used, when that is settled, and the credit that is left.

The vendor bills connection time (its page "Build a Voice Agent"). It documents neither where that begins and ends, nor
how it is rounded, nor when it is settled. The emulator's choices: from the 101 until the socket is closed, in
milliseconds, settled after a fixed lag; a session that is still open is in no list; one without accepted Settings is
Standard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.project.credentials import Key, Keyring
from pytest_dgbudget.emulator.project.prices import STANDARD, USD_PER_MINUTE, price_table, tier

CREDIT_USD = 200.0  # the vendor's free credit
SETTLEMENT_LAG = 0.3  # seconds


def round_usd(amount: float) -> float:
    """Round away float errors: a millisecond costs 1.25 millionths of a dollar."""
    return round(amount, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """A session that has ended. ``accessor`` is the id of its key; ``settles_at`` is in seconds of the clock.

    ``price`` is in USD per minute.
    """

    request_id: str
    accessor: str
    created: datetime
    milliseconds: int
    tags: tuple[str, ...]
    tier: str
    price: float
    settles_at: float

    @property
    def usd(self) -> float:
        return round_usd(self.milliseconds * self.price / 60_000)

    @property
    def completed(self) -> datetime:
        return self.created + timedelta(milliseconds=self.milliseconds)

    @property
    def day(self) -> date:
        """The UTC day on which it counts: the one on which it began, which is the emulator's choice."""
        return self.created.date()


class OpenSession:
    """A session from its 101 on. Its tags are those of its key and its Settings."""

    def __init__(self, request_id: str, key: Key, clock: Clock, book: Callable[[OpenSession, float], None]) -> None:
        self.request_id = request_id
        self.accessor = key.id
        self.created = clock.now()
        self.opened_at = clock.seconds()
        self.tags = key.tags
        self.tier = STANDARD
        self.amend: Callable[[UsageRecord], Sequence[UsageRecord]] = lambda record: (record,)  # what faults make of it
        self._clock = clock
        self._book = book

    def configure(self, tags: Sequence[str], agent: Mapping[str, Any]) -> None:
        """Take the tags and the agent of accepted Settings."""
        self.tags = tuple(dict.fromkeys((*self.tags, *tags)))
        self.tier = tier(agent)

    def close(self) -> None:
        """Book the session; to be called once, when its socket is closed."""
        self._book(self, self._clock.seconds())


class Project:
    """One project with its keys and one balance; it lives as long as the emulator runs.

    ``settlement_lag`` is in seconds, ``prices`` in USD per minute, by tier: those that differ from the built-in ones.
    """

    def __init__(
        self,
        *,
        project_id: str,
        settlement_lag: float = SETTLEMENT_LAG,
        prices: Mapping[str, float] = USD_PER_MINUTE,
        clock: Clock | None = None,
    ) -> None:
        self.id = project_id
        self.clock = clock or Clock()
        self.keyring = Keyring(self.clock)
        self.balance_id = str(uuid4())
        self._settlement_lag = settlement_lag
        self._prices = price_table(prices)
        self._records: list[UsageRecord] = []

    def open(self, request_id: str, key: Key) -> OpenSession:
        return OpenSession(request_id, key, self.clock, self._book)

    def records(self) -> list[UsageRecord]:
        """Return the sessions that have ended, newest first, settled or not."""
        return sorted(self._records, key=lambda record: record.created, reverse=True)

    def is_settled(self, record: UsageRecord) -> bool:
        return self.clock.seconds() >= record.settles_at

    def settled(self) -> list[UsageRecord]:
        """Return the settled sessions, which breakdowns and balance count."""
        return [record for record in self.records() if self.is_settled(record)]

    def balance_usd(self) -> float:
        return round_usd(CREDIT_USD - sum(record.usd for record in self.settled()))

    def _book(self, session: OpenSession, closed_at: float) -> None:
        record = UsageRecord(
            request_id=session.request_id,
            accessor=session.accessor,
            created=session.created,
            milliseconds=round((closed_at - session.opened_at) * 1000),
            tags=session.tags,
            tier=session.tier,
            price=self._prices[session.tier],
            settles_at=closed_at + self._settlement_lag,
        )
        self._records.extend(session.amend(record))
