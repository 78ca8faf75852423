"""Which budgets apply to an attempt, and what has become of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple

from pytest_dgbudget.ledger.closed_sums import ClosedSums
from pytest_dgbudget.ledger.connection import Connection, Statement
from pytest_dgbudget.ledger.scopes import days_of, scope_of_day, scope_of_path, scope_of_run, scope_of_test
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sums import Sum, SummedScope, Sums
from pytest_dgbudget.model import Attempt, Currency, Invocation, Lease, Period, ScopeName, WindowBudget
from pytest_dgbudget.rules.budget import Scope
from pytest_dgbudget.rules.prices import price_of

# So many are added up in less than a millisecond.
_MANY_LEASES = 50


class Settled(NamedTuple):
    """What was used and is settled, in milliseconds and millionths of a dollar."""

    ms: int
    micro_usd: int


class Budgets:
    """The budgets of one invocation, the narrowest first; every method is a part of a transaction.

    ``highest_price`` is that of a minute without a price, in millionths of a dollar. ``today`` is a day in UTC.
    """

    def __init__(
        self, connection: Connection, invocation: Invocation, highest_price: int, shared: SharedBudgets, sums: Sums
    ) -> None:
        self._invocation = invocation
        self._highest_price = highest_price
        self._windows: Sequence[WindowBudget] = shared.windows if invocation.billed else ()
        self._shared = shared
        self._sums = sums
        self._closed_sums = ClosedSums(connection)

    def of_attempt(self, attempt: Attempt, today: date) -> list[Scope]:
        """Return every budget that applies to an attempt."""
        scopes = list(self.of_test(attempt))
        if attempt.target is None:
            scopes += (*self._of_path(attempt.path), *self.of_run(today))
        return scopes

    def read_for(self, attempt: Attempt) -> Sequence[Statement]:
        """Return what every decision on an attempt reads."""
        return [self._closed_sums.read_of(scope_of_test(self._invocation.id, attempt))]

    def of_test(self, attempt: Attempt) -> Iterator[Scope]:
        """Yield the test's own budgets."""
        scope = scope_of_test(self._invocation.id, attempt)
        return self._in_both_currencies("test", attempt.budget_ms, attempt.cost_budget_micro_usd, scope)

    def of_project_file(self, today: date) -> list[Scope]:
        """Return the budgets of dgbudget.toml: of all paths, and windows."""
        of_paths = (scope for path in self._shared.paths for scope in self._of_path(path.glob))
        return [*of_paths, *self._of_windows(today)]

    def of_run(self, today: date) -> list[Scope]:
        """Return the budgets that all tests of the run share: its own, and windows."""
        invocation = self._invocation
        scope = scope_of_run(invocation.run)
        own = self._in_both_currencies("run", invocation.budget_ms, invocation.cost_budget_micro_usd, scope)
        return [*own, *self._of_windows(today)]

    def settled_of_run(self) -> Settled:
        """Return what is settled of all that the run dials where it is dialled, whatever budgets it has."""
        scope = scope_of_run(self._invocation.run)
        sum_ = self._sums.of(scope.key, partial(self._closed_sums.add_up, scope))
        return Settled(sum_.settled_ms, self._priced(sum_))

    def leased(self, lease: Lease, attempt: Attempt, today: date) -> None:
        """Count a lease that was taken today in every scope that it belongs to."""
        shared = [] if attempt.target is not None else list(self._shared_keys_of(attempt, today))
        self._sums.leased(lease, [scope_of_test(self._invocation.id, attempt).key, *shared])
        if any(self._sums.leases_of(key) > _MANY_LEASES for key in shared):
            self._close_long_sums(today)

    def close_sums(self, today: date) -> None:
        """Close what has ended of this run, of its paths, and the days of its windows that are over."""
        run = self._invocation.run
        for scope in (scope_of_run(run), *(scope_of_path(run, path.glob) for path in self._shared.paths)):
            self._closed_sums.close(scope)
        days = {day for window in self._windows for day in days_of(window.period, today)}
        yesterday = today - timedelta(days=1)
        for day in sorted(days - {today}):
            if day < yesterday:
                self._closed_sums.close_day(day)
            else:  # a clock that is set back may come to it again
                self._closed_sums.close(scope_of_day(day))

    def _of_path(self, glob: str | None) -> Iterator[Scope]:
        budget = self._shared.of_path(glob)
        if budget is not None:
            scope = scope_of_path(self._invocation.run, budget.glob)
            yield from self._in_both_currencies("path", budget.run_ms, budget.run_micro_usd, scope, budget.glob)

    def _of_windows(self, today: date) -> Iterator[Scope]:
        for window in self._windows:
            sum_ = self._sum_of_window(window, today)
            yield self._scope("window", window.currency, window.allowed, sum_, window.period)

    def _in_both_currencies(
        self, name: ScopeName, ms: int | None, micro_usd: int | None, summed: SummedScope, label: str = ""
    ) -> Iterator[Scope]:
        allowed: dict[Currency, int | None] = {"time": ms, "money": micro_usd}
        for currency, amount in allowed.items():
            if amount is not None:
                sum_ = self._sums.of(summed.key, partial(self._closed_sums.add_up, summed))
                yield self._scope(name, currency, amount, sum_, label)

    def _scope(self, name: ScopeName, currency: Currency, allowed: int, sum_: Sum, label: str) -> Scope:
        micro_usd = self._priced(sum_)
        cut_budget = sum_.cut_budget_ms if currency == "time" else sum_.cut_budget_micro_usd
        return Scope(
            name=name,
            currency=currency,
            label=label,
            allowed=allowed,
            settled=sum_.settled_ms if currency == "time" else micro_usd,
            leased=sum_.leased_ms if currency == "time" else sum_.leased_micro_usd,
            # A run may be given more by a later invocation: what cut a session of an earlier one is not its budget.
            was_cut=cut_budget is not None and allowed <= cut_budget,
            also_settled=None if currency == "time" else sum_.settled_ms,
        )

    def _priced(self, sum_: Sum) -> int:
        """Return what is settled, in millionths of a dollar; what has no price counts at the highest."""
        return sum_.settled_micro_usd + price_of(sum_.unpriced_ms, self._highest_price)

    def _sum_of_window(self, window: WindowBudget, today: date) -> Sum:
        days = days_of(window.period, today)
        return self._sums.of(_key_of(window.period, days), partial(self._closed_sums.add_up_days, days))

    def _shared_keys_of(self, attempt: Attempt, today: date) -> Iterator[str]:
        """Yield in which scopes a lease counts beyond its test's, where it is dialled as its run is."""
        yield scope_of_run(self._invocation.run).key
        if attempt.path is not None:
            yield scope_of_path(self._invocation.run, attempt.path).key
        yield from {_key_of(window.period, days_of(window.period, today)) for window in self._windows}

    def _close_long_sums(self, today: date) -> None:
        """Others write all the time, so that what is not closed is added up for each lease."""
        self._closed_sums.note_ended()
        self.close_sums(today)
        if self._windows:
            self._closed_sums.close(scope_of_day(today))
        self._sums.forget()


def _key_of(period: Period, days: Sequence[date]) -> str:
    """Return the name of a window that stays the same for as long as it lasts."""
    return f"window:{period}:{days[0]}"
