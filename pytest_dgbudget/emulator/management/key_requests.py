"""Keys and temporary tokens over HTTP (vendor's pages "Create/List/Get/Delete a Project Key", "Token-based
Authentication").

The emulator's choices, where the vendor documents nothing: all keys are one member's; a key may be made with scopes
that its maker lacks; scopes are not checked against a list; without ``status`` expired keys are listed as well. The
vendor limits temporary keys to 250 a day, but documents neither when a day begins nor how the next one is refused.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.body import Body, bad
from pytest_dgbudget.emulator.management.request import AuthorizedRequest
from pytest_dgbudget.emulator.project.billing import Project
from pytest_dgbudget.emulator.project.credentials import Key
from pytest_dgbudget.instants import read_instant, write_instant

LONGEST_TAG = 128  # characters (vendor's page "Tagging Your Usage Data")
MOST_TEMPORARY_KEYS = 250  # a day (vendor's page "Create Additional API Keys")
TOKEN_SECONDS = 30  # by default (OpenAPI file)
LONGEST_TOKEN_SECONDS = 3600  # as an older official SDK checked it; the OpenAPI file has no limit

_MEMBER = {"member_id": "00000000-0000-4000-8000-000000000001", "email": "emulator@pytest-dgbudget.invalid"}
_MEMBERS_NAME = {"first_name": "Emulated", "last_name": "Owner"}


def list_keys(request: AuthorizedRequest) -> dict[str, Any]:
    status = request.query.choice("status", ("active", "expired"))
    keys = [key for key in request.project.keyring.all() if status is None or _status(request.project, key) == status]
    return {"api_keys": [{"member": _MEMBER, "api_key": _listed(key)} for key in keys]}


def get_key(request: AuthorizedRequest) -> dict[str, Any]:
    key = _find(request)
    api_key = {**_listed(key), "tags": list(key.tags), **_expiration(key)}
    return {"item": {"member": {**_MEMBER, **_MEMBERS_NAME, "api_key": api_key}}}


def create_key(request: AuthorizedRequest) -> dict[str, Any]:
    body = Body(request.body)
    comment, scopes, tags = body.text("comment"), body.texts("scopes"), body.texts("tags") or []
    if not comment:
        raise bad("comment", "is required and must be a non-empty string")
    if not scopes:
        raise bad("scopes", "is required and must be an array of at least one string")
    if any(not 0 < len(tag) <= LONGEST_TAG for tag in tags):
        raise bad("tags", f"must have 1 to {LONGEST_TAG} characters each")
    expires = _expires(request.project, body)
    if expires is not None and request.project.keyring.temporary_today() >= MOST_TEMPORARY_KEYS:
        raise Refusal(429, "TOO_MANY_REQUESTS", f"Only {MOST_TEMPORARY_KEYS} temporary keys may be made a day.")
    key = request.project.keyring.create(comment=comment, scopes=scopes, tags=tags, expires=expires)
    made = {"api_key_id": key.id, "key": key.secret, "comment": key.comment, "scopes": list(key.scopes)}
    return {**made, "tags": list(key.tags), **_expiration(key)}


def delete_key(request: AuthorizedRequest) -> dict[str, Any]:
    request.project.keyring.delete(_find(request).id)
    return {"message": "Successfully deleted the API key."}


def grant_token(request: AuthorizedRequest) -> dict[str, Any]:
    if not request.key.member_or_higher:
        raise Refusal(403, "FORBIDDEN", "Insufficient permissions.")
    asked = Body(request.body).number("ttl_seconds")
    seconds = TOKEN_SECONDS if asked is None else asked
    if not 1 <= seconds <= LONGEST_TOKEN_SECONDS:
        raise bad("ttl_seconds", f"must be 1 to {LONGEST_TOKEN_SECONDS}")
    return {"access_token": request.project.keyring.grant(request.key, seconds).secret, "expires_in": seconds}


def _expires(project: Project, body: Body) -> datetime | None:
    """Return when the key expires, from one of two fields; None for never."""
    date, seconds = body.text("expiration_date"), body.number("time_to_live_in_seconds")
    if date is not None and seconds is not None:
        raise bad("time_to_live_in_seconds", "can't be given together with expiration_date")
    expires = _in_seconds(project, seconds) if date is None else _at(date)
    if expires is not None and expires <= project.clock.now():
        raise bad("expiration_date", "must be in the future")
    return expires


def _at(date: str) -> datetime:
    moment = read_instant(date)
    if moment is None:
        raise bad("expiration_date", "must be YYYY-MM-DDTHH:MM:SSZ or YYYY-MM-DDTHH:MM:SS+HH:MM")
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        raise bad("expiration_date", "names a moment that does not exist") from None


def _in_seconds(project: Project, seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    if seconds < 1 or seconds != int(seconds):
        raise bad("time_to_live_in_seconds", "must be a whole number, 1 or more")
    try:
        return project.clock.now() + timedelta(seconds=seconds)
    except OverflowError:
        raise bad("time_to_live_in_seconds", "ends after the last day of the calendar") from None


def _find(request: AuthorizedRequest) -> Key:
    (key_id,) = request.ids
    key = request.project.keyring.get(key_id)
    if key is None:
        raise Refusal(404, "KEY_NOT_FOUND", "Key not found.")  # the emulator's choice, after PROJECT_NOT_FOUND
    return key


def _status(project: Project, key: Key) -> str:
    return "expired" if project.keyring.expired(key) else "active"


def _listed(key: Key) -> dict[str, Any]:
    return {
        "api_key_id": key.id,
        "comment": key.comment,
        "scopes": list(key.scopes),
        "created": write_instant(key.created),
    }


def _expiration(key: Key) -> dict[str, str]:
    """Return the field, or none for a key that never expires: in the vendor's file it can't be null."""
    return {} if key.expires is None else {"expiration_date": write_instant(key.expires)}
