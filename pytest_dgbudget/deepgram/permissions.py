"""What a key may do, found out by reading: nothing is made, changed or opened with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from pytest_dgbudget.deepgram.project import PROJECTS, is_project_id, project_ids, project_path
from pytest_dgbudget.deepgram.rows import instant, objects_in
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.deepgram.transport import Query, Transport

_CALL_SECONDS = 4
_PERIOD = timedelta(days=1)


class KeyPermissions:
    """One call for each thing that a key may be allowed; each takes at most 4 s, and raises ReconciliationError."""

    def __init__(self, api_url: str, key: str) -> None:
        self._transport = Transport(api_url, key)

    def projects(self) -> list[str]:
        """Return the ids of the projects that the key sees, as far as they are ids."""
        return [each for each in project_ids(self._get("the projects", PROJECTS)) if is_project_id(each)]

    def read_usage(self, project: str) -> None:
        """Read one request of the last day."""
        now = datetime.now(timezone.utc)
        period = [("start", instant(now - _PERIOD)), ("end", instant(now))]
        query = [("endpoint", "agent"), *period, ("limit", 1)]
        objects_in(self._get("the requests", project_path(project, "requests"), query), "requests")

    def balance(self, project: str) -> int | None:
        """Return the sum of the balances in millionths of a dollar; None where one is no amount of dollars."""
        balances = objects_in(self._get("the balances", project_path(project, "balances")), "balances")
        amounts = [_micro_usd(balance) for balance in balances]
        return None if not amounts or None in amounts else sum(amount for amount in amounts if amount is not None)

    def read_keys(self, project: str) -> None:
        """Read the list of the project's keys, which shows none of their secrets."""
        objects_in(self._get("the keys", project_path(project, "keys")), "api_keys")

    def _get(self, what: str, path: str, query: Query = ()) -> dict[str, Any]:
        return self._transport.get(what, path, query, Timeout(_CALL_SECONDS))


def _micro_usd(balance: Mapping[str, Any]) -> int | None:
    amount = balance.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or balance.get("units") != "USD":
        return None
    return round(amount * 1_000_000) if math.isfinite(amount) else None
