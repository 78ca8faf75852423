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
from uuid import UUID, uuid4, uuid5

from pytest_dgbudget.emulator.project.agents import Agents
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.project.credentials import Key, Keyring
from pytest_dgbudget.emulator.project.prices import USD_PER_MINUTE, Tiers, price_table, tier
from pytest_dgbudget.emulator.vendor import AS_SEEN

CREDIT_USD = 200.0  # the vendor's free credit
SETTLEMENT_LAG = 0.3  # seconds


def round_usd(amount: float) -> float:
    """Round away float errors: a millisecond costs 1.25 millionths of a dollar."""
    return round(amount, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """A session that has ended. ``accessor`` is the id of its key; ``settles_at`` is in seconds of the clock.

    ``price`` is in USD per minute. ``duration_shown``: whether its row in the request log has a duration, which those
    of agents lack (E4); ``whole_seconds``: whether that is rounded.
    """

    request_id: str
    accessor: str
    created: datetime
    milliseconds: int
    tags: tuple[str, ...]
    tier: str
    price: float
    settles_at: float
    duration_shown: bool = False
    whole_seconds: bool = False

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

    def __init__(
        self,
        request_id: str,
        key: Key,
        clock: Clock,
        prices: Mapping[str, float],
        book: Callable[[OpenSession, float], None],
        changed: Callable[[OpenSession], None],
    ) -> None:
        self.request_id = request_id
        self.accessor = key.id
        self.created = clock.now()
        self.opened_at = clock.seconds()
        self.tags = key.tags
        self._tiers = Tiers(self.opened_at, prices)
        self._agent: dict[str, Any] = {}
        self.vendor = AS_SEEN
        self.amend: Callable[[UsageRecord], Sequence[UsageRecord]] = lambda record: (record,)  # what faults make of it
        self._clock = clock
        self._book = book
        self._changed = changed

    def configure(self, tags: Sequence[str], agent: Mapping[str, Any]) -> None:
        """Take the tags and the agent of accepted Settings."""
        self.tags = tuple(dict.fromkeys((*self.tags, *tags)))
        self._agent = dict(agent)
        self._tiers.begin(tier(agent))
        self._changed(self)

    def change(self, name: str, block: Any) -> None:
        """Take the ``think`` or ``speak`` of an Update message."""
        self._agent[name] = block
        self._tiers.change(self._clock.seconds(), tier(self._agent))
        self._changed(self)

    @property
    def tier(self) -> str:
        return self._tiers.last

    def price(self, closed_at: float) -> float:
        """Return the USD per minute of all of it, as the switch ``tier_change`` has it."""
        return self._tiers.price(closed_at, self.vendor.tier_change)

    def further_price(self, moment: float) -> float:
        """Return the USD per minute of what comes after this moment, unless the tier changes again."""
        return self._tiers.further_price(moment, self.vendor.tier_change)

    def close(self) -> float:
        """Book the session, and return its seconds; to be called once, when its socket is closed."""
        closed_at = self._clock.seconds()
        self._book(self, closed_at)
        return closed_at - self.opened_at


class Project:
    """One project with its keys, its agents and one balance; it lives as long as the emulator runs.

    ``settlement_lag`` is in seconds, ``prices`` in USD per minute, by tier: those that differ from the built-in ones.
    ``records`` are in the bill from the start. ``changed`` is called whenever a session opens, changes or ends, with
    its id, its records and, while it is open, the USD per minute of its further time.
    """

    changed: Callable[[str, Sequence[UsageRecord], float | None], None] | None = None

    def __init__(
        self,
        *,
        project_id: str,
        clock: Clock,
        agents: Agents,
        api_key: str | None = None,
        settlement_lag: float = SETTLEMENT_LAG,
        prices: Mapping[str, float] = USD_PER_MINUTE,
        records: Sequence[UsageRecord] = (),
    ) -> None:
        self.id = project_id
        self.clock = clock
        self.agents = agents
        self.keyring = Keyring(clock, api_key, owners_id=str(uuid5(UUID(project_id), "owner")))
        self.balance_id = str(uuid4())
        self._settlement_lag = settlement_lag
        self._prices = price_table(prices)
        self._records = list(records)

    def open(self, request_id: str, key: Key) -> OpenSession:
        session = OpenSession(request_id, key, self.clock, self._prices, self._book, self._note)
        self._note(session)
        return session

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
        records = session.amend(self._record(session, closed_at))
        self._records.extend(records)
        if self.changed is not None:
            self.changed(session.request_id, records, None)

    def _note(self, session: OpenSession) -> None:
        if self.changed is not None:
            now = self.clock.seconds()
            self.changed(session.request_id, [self._record(session, now)], session.further_price(now))

    def _record(self, session: OpenSession, closed_at: float) -> UsageRecord:
        return UsageRecord(
            request_id=session.request_id,
            accessor=session.accessor,
            created=session.created,
            milliseconds=round((closed_at - session.opened_at) * 1000),
            tags=session.tags,
            tier=session.tier,
            price=session.price(closed_at),
            duration_shown=session.vendor.row_duration,
            whole_seconds=session.vendor.whole_seconds,
            settles_at=closed_at + self._settlement_lag,
        )
