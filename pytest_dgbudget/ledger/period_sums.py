"""What all runs of the ledger have spent in a period, added up by the database: by run and day, by test, by tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger import period_sql
from pytest_dgbudget.ledger.closed_sums import ClosedSums
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.scopes import days_of
from pytest_dgbudget.model import WindowBudget
from pytest_dgbudget.rules.prices import price_of
from pytest_dgbudget.rules.spending import Spent

# Its sessions count as what they would have been live.
_EMULATED = "emulator"


class RunDay(NamedTuple):
    """A run on one of its days (UTC); ``target`` is where it dialled."""

    target: str
    run: str
    day: str


class TargetAndTest(NamedTuple):
    """A test, by where it dialled."""

    target: str
    nodeid: str


class TargetAndTier(NamedTuple):
    """A tier of sessions, the last one that each had; None where that is not known."""

    target: str
    tier: str | None


class ReplaySums(NamedTuple):
    """How many sessions of how many runs were replayed, and what they would have used live."""

    runs: int = 0
    sessions: int = 0
    ms: int = 0
    micro_usd: int = 0


class PeriodSums:
    """The sums from ``since`` until ``before``. To be read within ``snapshot``; its methods raise LedgerError."""

    def __init__(self, connection: Connection, since: datetime, before: datetime) -> None:
        self._db = connection
        self._period = {"since": write_instant(since), "before": write_instant(before)}

    def by_run(self) -> dict[RunDay, Spent]:
        """Return what each run spent on each day, as far as that is not archived."""
        charges = self._rows(period_sql.CHARGES_BY_RUN, RunDay)
        return _spendings(charges, self._rows(period_sql.SESSIONS_BY_RUN, RunDay))

    def archived(self) -> dict[RunDay, Spent]:
        """Return what is archived of each run: all of it on the day on which it began."""
        rows = self._rows(period_sql.ARCHIVED_OF_PERIOD, RunDay)
        return {key: Spent(**row, metered=row["sessions"], unstated=1) for key, row in rows.items()}

    def by_test(self) -> dict[TargetAndTest, Spent]:
        """Return what each test spent."""
        charges = self._rows(period_sql.CHARGES_BY_TEST, TargetAndTest)
        return _spendings(charges, self._rows(period_sql.SESSIONS_BY_TEST, TargetAndTest))

    def by_tier(self) -> dict[TargetAndTier, Spent]:
        """Return what was metered of each tier."""
        rows = self._rows(period_sql.SESSIONS_BY_TIER, TargetAndTier)
        return {key: Spent(**row, unstated=1) for key, row in rows.items()}

    def replays(self) -> ReplaySums:
        """Return what replays saved: they are in no other sum."""
        return ReplaySums(**self._db.rows(period_sql.REPLAYS_OF_PERIOD, self._period)[0])

    def _rows(self, statement: str, key: Any) -> dict[Any, dict[str, Any]]:
        """Return each row without the columns that are its key, by these."""
        names: Iterable[str] = key._fields
        rows = [dict(row) for row in self._db.rows(statement, self._period)]
        return {key(*(row.pop(name) for name in names)): row for row in rows}


def used_of_window(connection: Connection, window: WindowBudget, today: date, highest_price: int) -> int:
    """Return what is used and set aside of a window as today's runs find it, in its currency."""
    sums = ClosedSums(connection).add_up_days(days_of(window.period, today))
    if window.currency == "time":
        return sums.settled_ms + sums.leased_ms
    return sums.settled_micro_usd + sums.leased_micro_usd + price_of(sums.unpriced_ms, highest_price)


def _spendings(charges: Mapping[Any, dict[str, Any]], opened: Mapping[Any, dict[str, Any]]) -> dict[Any, Spent]:
    return {key: _spending(key.target, row, opened.get(key, _NONE_OPENED)) for key, row in charges.items()}


def _spending(target: str, charged: dict[str, Any], opened: Mapping[str, Any]) -> Spent:
    spending = Spent(**charged, sessions=opened["sessions"], metered=opened["metered"])
    spending = spending._replace(estimated=spending.estimated + opened["estimated"])
    if target != _EMULATED:
        return spending
    return spending._replace(
        ms=spending.ms + opened["skipped_ms"], micro_usd=spending.micro_usd + opened["skipped_micro_usd"]
    )


_NONE_OPENED = dict.fromkeys(("sessions", "metered", "skipped_ms", "skipped_micro_usd", "estimated"), 0)
