"""Sums of what can't change any more, so that a run whose id is used for years adds up only what is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import share_of
from pytest_dgbudget.ledger.sums import ScopeValues, Sum

_NOTHING: Mapping[str, Any] = {"until": 0, "ms": 0, "micro_usd": 0, "unpriced_ms": 0, "cut_budget_ms": None}


class ClosedSums:
    """The sums of runs up to a lease before which all have ended. Its methods are parts of a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def close(self, run: str) -> None:
        """Add what has ended of a run since its last closed sum, up to the first lease that is open, to that sum."""
        until: int = self._db.rows(sql.LAST_SWEPT, {})[0]["number"]
        last = self._last(run)
        since = self._db.rows(sql.SUM_TO_CLOSE, {"run": run, "after": last["until"], "until": until})[0]
        if since["has_leases"]:
            self._insert(
                run,
                until=until,
                ms=last["ms"] + since["ms"],
                micro_usd=last["micro_usd"] + since["micro_usd"],
                unpriced_ms=last["unpriced_ms"] + since["unpriced_ms"],
                cut_budget_ms=_largest(last["cut_budget_ms"], since["cut_budget_ms"]),
            )

    def with_what_came_since(self, run: ScopeValues) -> Sum:
        """Return a run's sums; ``run`` has its id and the budget that it has now."""
        last = self._last(str(run["run"]))
        sum_ = Sum(**self._db.rows(sql.RUN_SUMS, {**run, "after": last["until"]})[0])
        sum_.settled_ms += last["ms"]
        budget_ms, cut_budget_ms = run["budget_ms"], last["cut_budget_ms"]
        if isinstance(budget_ms, int) and cut_budget_ms is not None and budget_ms <= cut_budget_ms:
            sum_.cuts += 1
        return sum_

    def correct(self, lease: str, ms: int) -> None:
        """Have a lease count ``ms`` from now on, if a closed sum has it; before the correction itself is recorded."""
        charged = self._db.rows(sql.CHARGE_OF_LEASE, {"lease": lease})[0]
        sum_ = dict(self._last(charged["run"]))
        if charged["target"] is None and charged["number"] <= sum_["until"]:
            set_aside = charged["set_aside"]
            micro_usd = None if set_aside is None else share_of(set_aside, ms, charged["allowance_ms"])
            _count(sum_, charged["ms"], charged["micro_usd"], -1)
            _count(sum_, ms, micro_usd, 1)
            self._insert(charged["run"], **sum_)

    def _last(self, run: str) -> Mapping[str, Any]:
        rows = self._db.rows(sql.CLOSED_SUM, {"scope": _scope_of(run)})
        return rows[0] if rows else _NOTHING

    def _insert(self, run: str, **values: Any) -> None:
        self._db.execute(sql.INSERT_CLOSED_SUM, {**values, "scope": _scope_of(run), "at": utc_now()})


def _scope_of(run: str) -> str:
    return f"run:{run}"


def _count(sum_: dict[str, Any], ms: int, micro_usd: int | None, times: int) -> None:
    sum_["ms"] += times * ms
    if micro_usd is None:
        sum_["unpriced_ms"] += times * ms
    else:
        sum_["micro_usd"] += times * micro_usd


def _largest(*budgets_ms: int | None) -> int | None:
    return max((each for each in budgets_ms if each is not None), default=None)
