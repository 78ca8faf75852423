"""What a key may do, found out by reading: nothing is made, changed or opened with it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from pytest_dgbudget.deepgram.balances import balance_in
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
        balance = balance_in(self._get("the balances", project_path(project, "balances")))
        return None if balance.other_units else balance.micro_usd

    def read_keys(self, project: str) -> None:
        """Read the list of the project's keys, which shows none of their secrets."""
        objects_in(self._get("the keys", project_path(project, "keys")), "api_keys")

    def _get(self, what: str, path: str, query: Query = ()) -> dict[str, Any]:
        return self._transport.get(what, path, query, Timeout(_CALL_SECONDS))
