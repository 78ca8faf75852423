"""The queue of all gateways of a ledger: who may open a session now, by budgets, by who came first, by places."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from pytest_dgbudget.ledger.connection import LEASES, Connection
from pytest_dgbudget.ledger.places import PLACES, Places
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sweep import LeftLease, sweep
from pytest_dgbudget.ledger.waiters import Queued, Serves, Waiters
from pytest_dgbudget.model import Attempt, Awaited, Invocation
from pytest_dgbudget.rules.budget import Decision, Granted, Refused, Scope, Wait

_WINDOW = "window"
# Whoever waits asks with every change of the ledger; gateways are rarely lost.
_SWEEPS_EVERY_SECONDS = 0.5
_PLACES_ALONE: Mapping[str, Awaited] = MappingProxyType({PLACES: "project-place"})

# What is granted.
G = TypeVar("G")


class SharedQueue:
    """It, as one gateway sees it; every method belongs into the transaction of a decision.

    ``gateway`` stands in the leases that it takes. ``changed`` is called when leases of others have been ended.
    """

    def __init__(
        self,
        connection: Connection,
        invocation: Invocation,
        gateway: str,
        shared: SharedBudgets,
        changed: Callable[[], None],
    ) -> None:
        self._db = connection
        self._changed = changed
        self._sweeps_at = 0.0
        self._invocation = invocation
        self._gateway = gateway
        self._waits_for_windows = bool(shared.windows) and invocation.billed
        has_places = invocation.billed and shared.sessions is not None
        self._places = Places(connection, shared.sessions or 0) if has_places else None
        self._waiters = Waiters(connection, invocation.run, gateway)
        self._may_hold: Callable[[LeftLease], bool] = lambda lease: True
        self._serves: Serves = lambda run, gateway: True

    def begin(self, may_hold: Callable[[LeftLease], bool], serves: Serves) -> None:
        """Go by these when others hold what is wanted, or have waited longer for it."""
        self._may_hold, self._serves = may_hold, serves
        self._waiters.require_rights()

    def of_lease(
        self, attempt: Attempt, waiter: str | None, decide: Callable[[], Decision]
    ) -> Granted | Queued | Refused:
        """Return what the budgets say once nobody who came first wants the same, and a place is free."""
        return self._decide(self._things_of(attempt), waiter, decide)

    def of_dial(self, attempt: Attempt, waiter: str | None) -> Queued | None:
        """Return what a further session of an open lease waits for; None when it may be dialled."""
        if self._places is None or attempt.target is not None:
            return None
        self._db.exclude(LEASES)
        answer = self._decide(_PLACES_ALONE, waiter, _no_budget)
        return answer if isinstance(answer, Queued) else None

    def stop_waiting(self, waiter: str) -> None:
        self._waiters.leave(waiter)

    def _decide(
        self, things: Mapping[str, Awaited], waiter: str | None, decide: Callable[[], G | Wait | Refused]
    ) -> G | Queued | Refused:
        answer = self._answer(things, decide)
        if isinstance(answer, Queued) and (answer.with_others or waiter is not None) and self._end_what_is_lost():
            answer = self._answer(things, decide)
        if waiter is not None and things:
            self._enter_or_leave(waiter, answer.thing if isinstance(answer, Queued) else None)
        return answer

    def _enter_or_leave(self, waiter: str, thing: str | None) -> None:
        if thing is None:
            self._waiters.leave(waiter)
        else:
            self._waiters.enter(waiter, thing)

    def _answer(self, things: Mapping[str, Awaited], decide: Callable[[], G | Wait | Refused]) -> G | Queued | Refused:
        decision = decide()
        if isinstance(decision, Refused):
            return decision
        if isinstance(decision, Wait):
            thing = self._thing(decision.scope)
            return Queued(decision.scope.name, thing if thing in things else None)
        first = self._waiters.ahead(things, self._serves)
        if first is not None:
            return Queued(things[first], first)
        if self._places is not None and PLACES in things and self._places.are_taken():
            return Queued(things[PLACES], PLACES)
        return decision

    def _end_what_is_lost(self) -> bool:
        """End what gateways held that are gone by now; return whether there was any."""
        if time.monotonic() < self._sweeps_at:
            return False
        self._sweeps_at = time.monotonic() + _SWEEPS_EVERY_SECONDS
        swept = sweep(self._db, lambda lease: lease.gateway == self._gateway or self._may_hold(lease))
        self._changed()
        return any(lease.how is not None for lease in swept)

    def _things_of(self, attempt: Attempt) -> Mapping[str, Awaited]:
        """Return all that an attempt's lease may have to wait for with other gateways, by the names of waiters."""
        things: dict[str, Awaited] = {}
        if attempt.target is not None:
            return things
        if self._db.shares_runs:
            things |= {self._thing_of("run"): "run", self._thing_of("path", attempt.path or ""): "path"}
        if self._waits_for_windows:
            things[_WINDOW] = "window"
        return things if self._places is None else {**things, **_PLACES_ALONE}

    def _thing(self, scope: Scope) -> str:
        return _WINDOW if scope.name == "window" else self._thing_of(scope.name, scope.label)

    def _thing_of(self, name: Awaited, label: str = "") -> str:
        return f"{name}:{self._invocation.run}:{label}"


def _no_budget() -> bool | Wait | Refused:
    """Decide for a session that is within its lease."""
    return True
