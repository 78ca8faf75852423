"""The account: what each session used, when that is settled, and what is left of the credit.

The vendor bills connection time (its page "Build a Voice Agent"). It documents neither where that begins and ends, nor
how it is rounded, nor when it is settled. The emulator's choices: from the 101 to the socket's end, in milliseconds,
a fixed lag after it; a session that is still open is in no list.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

USD_PER_MINUTE = 0.075  # Standard, pay as you go, re-checked 2026-09-28; for every model: the emulator's choice
CREDIT_USD = 200.0  # what the vendor gives for free
SETTLEMENT_LAG = 0.3  # seconds


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def round_usd(amount: float) -> float:
    """Drop what floats add: a millisecond costs 1.25 millionths of a dollar."""
    return round(amount, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A session that has ended. ``settles_at`` is in seconds of the monotonic clock."""

    request_id: str
    accessor: str
    created: datetime
    milliseconds: int
    tags: tuple[str, ...]
    settles_at: float

    @property
    def settled(self) -> bool:
        return time.monotonic() >= self.settles_at

    @property
    def completed(self) -> datetime:
        return self.created + timedelta(milliseconds=self.milliseconds)

    @property
    def day(self) -> date:
        """The UTC day it counts on: the one it began on, which is the emulator's choice."""
        return self.created.date()

    @property
    def usd(self) -> float:
        return round_usd(self.milliseconds * USD_PER_MINUTE / 60_000)


class OpenSession:
    """A session from its 101 on. Its tags are those of its Settings."""

    def __init__(self, request_id: str, book: Callable[[OpenSession, float], None]) -> None:
        self.request_id = request_id
        self.created = utc_now()
        self.opened_at = time.monotonic()
        self.tags: tuple[str, ...] = ()
        self._book = book

    def tag(self, tags: Sequence[str]) -> None:
        self.tags = tuple(tags)

    def close(self) -> None:
        """Book it; to be called once, when its socket has closed."""
        self._book(self, time.monotonic())


class Account:
    """One project, one key, one balance: all for as long as the emulator runs."""

    def __init__(self, *, project_id: str, settlement_lag: float = SETTLEMENT_LAG) -> None:
        self.project_id = project_id
        self.api_key_id = str(uuid.uuid4())
        self.balance_id = str(uuid.uuid4())
        self._settlement_lag = settlement_lag
        self._records: list[Record] = []

    def open(self, request_id: str) -> OpenSession:
        return OpenSession(request_id, self._book)

    def records(self) -> list[Record]:
        """Return what has ended, the newest first, settled or not."""
        return sorted(self._records, key=lambda record: record.created, reverse=True)

    def settled(self) -> list[Record]:
        """Return what breakdowns and balance count."""
        return [record for record in self.records() if record.settled]

    def balance_usd(self) -> float:
        return round_usd(CREDIT_USD - sum(record.usd for record in self.settled()))

    def _book(self, session: OpenSession, closed_at: float) -> None:
        record = Record(
            request_id=session.request_id,
            accessor=self.api_key_id,
            created=session.created,
            milliseconds=round((closed_at - session.opened_at) * 1000),
            tags=session.tags,
            settles_at=closed_at + self._settlement_lag,
        )
        self._records.append(record)
