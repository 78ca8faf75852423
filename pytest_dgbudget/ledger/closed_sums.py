"""Sums of what can't change any more, so that a scope that is used for years adds up only what is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from pytest_dgbudget.instants import read_instant, utc_now
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection, Statement
from pytest_dgbudget.ledger.scopes import scope_of_day, scope_of_path, scope_of_run
from pytest_dgbudget.ledger.sums import Sum, SummedScope

# More leases than there can be: what is closed up to here gets no more.
ALL_LEASES = 2**62


@dataclass(frozen=True, slots=True)
class _Closed:
    """A closed sum: all leases of its scope up to a number, which have all ended."""

    until: int
    sum: Sum


class ClosedSums:
    """The sums of scopes up to a lease before which all have ended. Its methods are parts of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def note_ended(self) -> None:
        """Note up to which lease all have ended, so that nobody looks at those again for one that is open."""
        self._db.execute(sql.INSERT_SWEPT, {"number": self._first_open() - 1})

    def close(self, scope: SummedScope) -> None:
        """Add what has ended of a scope since its last closed sum, up to the first lease that is open, to that sum."""
        self.close_until(scope, self._first_open() - 1)

    def close_until(self, scope: SummedScope, until: int) -> None:
        """Do the same up to a lease; all of the scope's until then have ended."""
        last = self._last(scope.key)
        since = self._since(scope, last.until, until)
        if since.leases:
            last.sum.add(since)
            self._insert(scope.key, _Closed(until, last.sum))

    def close_day(self, day: date) -> bool:
        """Close the sum of a day that is over for good, unless a lease of it is open; return whether it is closed."""
        scope = scope_of_day(day)
        last = self._last(scope.key)
        if last.until == ALL_LEASES:
            return True
        since = self._since(scope, last.until, ALL_LEASES)
        if since.leased_ms:
            return False
        last.sum.add(since)
        self._insert(scope.key, _Closed(ALL_LEASES, last.sum))
        return True

    def add_up(self, scope: SummedScope) -> Sum:
        """Return a scope's sums."""
        return self._with_what_came_since(scope, self._last(scope.key) if scope.closes else _nothing())

    def read_of(self, scope: SummedScope) -> Statement:
        """Return what adds up a scope of which nothing is closed."""
        return scope.statement, {**scope.values, "after": 0, "until": ALL_LEASES}

    def add_up_days(self, days: Sequence[date]) -> Sum:
        """Return the sums of consecutive days."""
        scopes = [scope_of_day(day) for day in days]
        rows = self._db.rows(sql.CLOSED_DAYS, {"first": scopes[0].key, "last": scopes[-1].key})
        closed = {row["scope"]: _closed(row) for row in rows}
        total = Sum()
        for scope in scopes:
            total.add(self._with_what_came_since(scope, closed.get(scope.key) or _nothing()))
        return total

    @contextmanager
    def corrected(self, lease: str) -> Iterator[None]:
        """Have every closed sum that has a lease follow what is recorded of the lease meanwhile."""
        before = self._db.rows(sql.CHARGE_OF_LEASE, {"lease": lease})[0]
        yield
        after = self._db.rows(sql.CHARGE_OF_LEASE, {"lease": lease})[0]
        if before["target"] is not None:
            return
        own = [scope_of_run(before["run"])]
        own += [] if before["path"] is None else [scope_of_path(before["run"], before["path"])]
        for scope in own:
            self._correct(scope, before, after, "ms", "micro_usd")
        taken_at = read_instant(before["taken_at"])
        if before["billed"] and taken_at is not None:
            self._correct(scope_of_day(taken_at.date()), before, after, "window_ms", "window_micro_usd")

    def _correct(
        self, scope: SummedScope, before: Mapping[str, Any], after: Mapping[str, Any], ms: str, micro_usd: str
    ) -> None:
        closed = self._last(scope.key)
        if before["number"] <= closed.until:
            _count(closed.sum, before[ms], before[micro_usd], -1)
            _count(closed.sum, after[ms], after[micro_usd], 1)
            self._insert(scope.key, closed)

    def _with_what_came_since(self, scope: SummedScope, last: _Closed) -> Sum:
        if last.until < ALL_LEASES:
            last.sum.add(self._since(scope, last.until, ALL_LEASES))
        return last.sum

    def _since(self, scope: SummedScope, after: int, until: int) -> Sum:
        return Sum(**self._db.rows(scope.statement, {**scope.values, "after": after, "until": until})[0])

    def _first_open(self) -> int:
        number: int | None = self._db.rows(sql.FIRST_OPEN_LEASE, {})[0]["number"]
        last: int = self._db.rows(sql.LAST_LEASE, {})[0]["number"]
        return last + 1 if number is None else number

    def _last(self, key: str) -> _Closed:
        rows = self._db.rows(sql.CLOSED_SUM, {"scope": key})
        return _closed(rows[0]) if rows else _nothing()

    def _insert(self, key: str, closed: _Closed) -> None:
        sum_ = closed.sum
        row = {
            "scope": key,
            "until": closed.until,
            "ms": sum_.settled_ms,
            "micro_usd": sum_.settled_micro_usd,
            "unpriced_ms": sum_.unpriced_ms,
            "cut_budget_ms": sum_.cut_budget_ms,
            "cut_budget_micro_usd": sum_.cut_budget_micro_usd,
            "at": utc_now(),
        }
        self._db.execute(sql.INSERT_CLOSED_SUM, row)


def _nothing() -> _Closed:
    return _Closed(0, Sum())


def _closed(row: Mapping[str, Any]) -> _Closed:
    sum_ = Sum(
        settled_ms=row["ms"],
        settled_micro_usd=row["micro_usd"],
        unpriced_ms=row["unpriced_ms"],
        cut_budget_ms=row["cut_budget_ms"],
        cut_budget_micro_usd=row["cut_budget_micro_usd"],
    )
    return _Closed(row["until"], sum_)


def _count(sum_: Sum, ms: int, micro_usd: int | None, times: int) -> None:
    sum_.settled_ms += times * ms
    if micro_usd is None:
        sum_.unpriced_ms += times * ms
    else:
        sum_.settled_micro_usd += times * micro_usd
