"""Keys that were made for runs and are still there: those of runs that are gone are deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.instants import epoch_ms_of, read_instant, utc_ms, utc_now, write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import RunKeyFacts
from pytest_dgbudget.ledger.holders import Holders
from pytest_dgbudget.rules.run_keys import TTL_SECONDS, has_expired, run_of

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.keys import KeysApi, ListedKey

KeyResult = Literal["deleted", "kept", "not found", "failed", "not looked for"]

_LIVE = "its run may still be going on"
_ELSEWHERE = "its run is not in this ledger, so it may be another machine's: it expires within a day"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftKey:
    """What became of a key, by its id at the vendor; ``why`` is empty where that needs no reason."""

    id: str
    run: str
    result: KeyResult
    why: str = ""


def recorded_keys(connection: Connection) -> list[RunKeyFacts]:
    """Return the keys in the ledger that may still be valid, and that nobody is known to have deleted."""
    since = datetime.now(timezone.utc) - timedelta(seconds=TTL_SECONDS)
    return [RunKeyFacts(**row) for row in connection.rows(sql.OPEN_RUN_KEYS, {"since": write_instant(since)})]


def not_looked_for(recorded: list[RunKeyFacts], why: str) -> list[LeftKey]:
    """Return what is said of keys that nobody could ask the vendor about."""
    return [LeftKey(id=key.id, run=key.run, result="not looked for", why=why) for key in recorded]


class LeftKeys:
    """Deletes keys that the ledger knows, or that have our comment, where no gateway may be using them."""

    def __init__(self, connection: Connection, holders: Holders, api: KeysApi) -> None:
        self._db = connection
        self._holders = holders
        self._api = api

    def delete(self, recorded: list[RunKeyFacts], *, dry_run: bool) -> list[LeftKey]:
        """Return what became of each key, or (``dry_run``) would; raises ReconciliationError where none is known."""
        self._api.find_project()
        listed = {key.id: key for key in self._api.listed()}
        runs = {key.id: key.run for key in recorded}
        return [*self._not_found(recorded, listed), *self._of_listed(listed, runs, dry_run=dry_run)]

    def _not_found(self, recorded: list[RunKeyFacts], listed: Mapping[str, ListedKey]) -> Iterator[LeftKey]:
        for key in recorded:
            if key.id not in listed:
                why = f"project {self._api.project} has no such key: it was deleted, or is another project's"
                yield LeftKey(id=key.id, run=key.run, result="not found", why=why)

    def _of_listed(
        self, listed: Mapping[str, ListedKey], runs: Mapping[str, str], *, dry_run: bool
    ) -> Iterator[LeftKey]:
        for key in listed.values():
            run = runs.get(key.id) or run_of(key.comment)
            if run is None:
                continue
            why = self._why_kept(key, run)
            if why:
                yield LeftKey(id=key.id, run=run, result="kept", why=why)
            elif dry_run:
                yield LeftKey(id=key.id, run=run, result="deleted")
            else:
                yield self._delete(key, run, is_recorded=key.id in runs)

    def _why_kept(self, key: ListedKey, run: str) -> str:
        created = None if key.created is None else read_instant(key.created)
        if created is not None and has_expired(epoch_ms_of(created), utc_ms()):
            return ""
        may_serve = self._holders.may_serve(run)
        return _ELSEWHERE if may_serve is None else _LIVE if may_serve else ""

    def _delete(self, key: ListedKey, run: str, *, is_recorded: bool) -> LeftKey:
        try:
            self._api.delete(key.id)
        except ReconciliationError as error:
            return LeftKey(id=key.id, run=run, result="failed", why=str(error))
        if is_recorded:
            with self._db.transaction():
                self._db.execute(sql.END_RUN_KEY, {"run_key": key.id, "at": utc_now()})
        return LeftKey(id=key.id, run=run, result="deleted")
