"""The calls of the management API that make, list and delete a project's keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from pytest_dgbudget.deepgram.project import ProjectApi, lacking
from pytest_dgbudget.deepgram.rows import objects_in
from pytest_dgbudget.errors import ReconciliationError

# What a header can carry, and no message mistakes for a word.
_KEY = re.compile(r"[!-~]{8,1000}")
# Answers that refuse a request before it does anything.
_MADE_NOTHING = {400, 401, 402, 403, 404, 429}
_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A key that was just made: the only time that the vendor shows it."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as the project lists it; ``created`` is as it came."""

    id: str
    comment: str
    created: str | None


class KeysApi(ProjectApi):
    """Keys of one project. No message of an error holds one."""

    def make(self, *, comment: str, tags: Sequence[str], scopes: Sequence[str], ttl_seconds: int) -> MadeKey:
        """Make a key that expires by itself; asked once, since a second request might make a second key."""
        body = {
            "comment": comment,
            "tags": list(tags),
            "scopes": list(scopes),
            "time_to_live_in_seconds": ttl_seconds,
        }
        try:
            made = self._transport.post("making a key", self._path("keys"), body, self._timeout)
        except ReconciliationError as error:
            raise _perhaps_made(lacking("keys:write", error)) from None
        key_id, secret = _text(made.get("api_key_id")), _text(made.get("key"))
        if key_id is None or secret is None or not _ID.fullmatch(key_id) or not _KEY.fullmatch(secret):
            raise _perhaps_made(ReconciliationError("making a key: the answer has no key, or none that can be used"))
        return MadeKey(id=key_id, secret=secret)

    def listed(self) -> list[ListedKey]:
        """Return all keys of the project, but for those whose id is none."""
        entries = objects_in(self._get("the keys", self._path("keys"), scope="keys:read"), "api_keys")
        keys = (_listed(entry.get("api_key")) for entry in entries)
        return [key for key in keys if key is not None]

    def delete(self, key_id: str) -> None:
        """Delete a key; one that is not there counts as deleted."""
        try:
            self._transport.delete("deleting a key", self._path(f"keys/{quote(key_id, safe='')}"), self._timeout)
        except ReconciliationError as error:
            raise lacking("keys:write", error) from None


def _listed(key: object) -> ListedKey | None:
    if not isinstance(key, dict):
        return None
    key_id = _text(key.get("api_key_id"))
    if key_id is None or not _ID.fullmatch(key_id):
        return None
    return ListedKey(id=key_id, comment=_text(key.get("comment")) or "", created=_text(key.get("created")))


def _perhaps_made(error: ReconciliationError) -> ReconciliationError:
    """Return an error that also says, where that is so, that there may be a key now that nobody can use."""
    if error.status in _MADE_NOTHING:
        return error
    reason = f"{error}; one may have been made all the same, which dgbudget sweep deletes"
    return ReconciliationError(reason, status=error.status, temporary=error.temporary)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
