"""Authentication: the project's keys, what each may do, the tokens that they grant, and the message for invalid ones.

Scopes and roles: the vendor's page "Working With Roles & API Scopes". It does not document the scope that an endpoint
needs; that is inferred from the names.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import uuid4

from pytest_dgbudget.credentials import EMULATOR_KEY_PREFIX, EMULATOR_TOKEN_PREFIX, is_emulated_key
from pytest_dgbudget.emulator.project.clock import Clock

_MEMBER = (
    *("project:read", "project:write", "keys:read", "keys:write", "usage:read", "usage:write"),
    *("agent:read", "agent:write"),  # these two exist (E3)
)
_ADMIN = (*_MEMBER, "billing:read")
# Members, invites and other owners, which admins and owners may manage, are not emulated.
ROLES: dict[str, tuple[str, ...]] = {
    "member": _MEMBER,
    "admin": _ADMIN,
    "owner": (*_ADMIN, "project:write:settings", "project:write:destroy", "billing:write"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """``id`` is called accessor in the vendor's usage pages; ``expires`` is None for never."""

    id: str
    secret: str = field(repr=False)
    comment: str
    scopes: tuple[str, ...]
    tags: tuple[str, ...] = ()
    created: datetime
    expires: datetime | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or any(scope in ROLES.get(role, ()) for role in self.scopes)

    @property
    def member_or_higher(self) -> bool:
        return all(self.may(scope) for scope in _MEMBER)

    def expired(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A temporary token; sessions that it opens are its key's."""

    secret: str = field(repr=False)
    key: Key
    expires: datetime


class Keyring:
    """One project's keys, the owner's first, and their tokens. Secrets are compared in constant time.

    ``secret`` and ``owners_id`` are the owner's, made up unless given.
    """

    def __init__(self, clock: Clock, secret: str | None = None, *, owners_id: str | None = None) -> None:
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._tokens: list[Token] = []
        # How many temporary keys were made on each UTC day; those that were deleted count as well.
        self._temporary: Counter[date] = Counter()
        self.owners = self.create(comment="the emulator's own key", scopes=("owner",), secret=secret, key_id=owners_id)

    def create(
        self,
        *,
        comment: str,
        scopes: Sequence[str],
        tags: Sequence[str] = (),
        expires: datetime | None = None,
        secret: str | None = None,
        key_id: str | None = None,
    ) -> Key:
        key = Key(
            id=key_id or str(uuid4()),
            secret=secret or EMULATOR_KEY_PREFIX + secrets.token_hex(20),
            comment=comment,
            scopes=tuple(scopes),
            tags=tuple(tags),
            created=self._clock.now(),
            expires=expires,
        )
        self._keys[key.id] = key
        self._temporary[key.created.date()] += expires is not None
        return key

    def grant(self, key: Key, seconds: float) -> Token:
        """Return a token that opens agent sessions in the key's name; they outlive the token, as at the vendor.

        That the token outlives its key is the emulator's choice.
        """
        now = self._clock.now()
        self._tokens = [token for token in self._tokens if token.expires > now]
        expires = now + timedelta(seconds=seconds)
        token = Token(secret=_web_token(now, expires), key=key, expires=expires)
        self._tokens.append(token)
        return token

    def temporary_today(self) -> int:
        """Return how many keys that expire were made on this UTC day."""
        return self._temporary[self._clock.now().date()]

    def all(self) -> list[Key]:
        """Return all keys that were not deleted, including expired ones, oldest first."""
        return list(self._keys.values())

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    def delete(self, key_id: str) -> None:
        """Delete the key. Its sessions stay open: the vendor has no call that closes a session."""
        del self._keys[key_id]

    def expired(self, key: Key) -> bool:
        return key.expired(self._clock.now())

    def key(self, secret: str) -> Key | None:
        """Return the key with this secret, unless it has expired."""
        return next((key for key in self.all() if same_key(secret, key.secret) and not self.expired(key)), None)

    def granted(self, secret: str) -> Key | None:
        """Return the key whose token this is, unless the token has expired."""
        now = self._clock.now()
        held = (token for token in self._tokens if token.expires > now)
        return next((token.key for token in held if same_key(secret, token.secret)), None)

    def authenticate(self, secret: str) -> Key | None:
        """Return the key for this secret, its own or one of its tokens'; None if the secret is invalid or expired."""
        return self.granted(secret) or self.key(secret)


def same_key(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Offered:
    """A credential as a client shows it; ``scheme`` is in lower case."""

    scheme: str
    secret: str = field(repr=False)


def split(authorization: str) -> Offered:
    """Return the credential of an Authorization header."""
    scheme, _, secret = authorization.strip().partition(" ")
    return Offered(scheme.lower(), secret.strip())


INVALID_CREDENTIALS = "Invalid credentials."  # the vendor's words, as dg-error has them too (E5)


def hint(offered: Iterable[Offered]) -> str:
    """Return what may be wrong with credentials that an API refused, which takes keys only; never one of them."""
    return _hint(offered, "This API takes keys only; tokens of auth/grant open agent sessions.")


def handshake_hint(offered: Iterable[Offered]) -> str:
    """Return what may be wrong with credentials that a handshake refused, which takes tokens too; never one of them."""
    return _hint(offered, "The token has expired, or is not one of this emulator's.")


def _hint(offered: Iterable[Offered], of_token: str) -> str:
    """Return the hint, ``of_token`` where one of an emulator's tokens was shown."""
    shown = [each for each in offered if each.secret]
    if not shown:
        return "Send Authorization: Token KEY, with the emulator's api_key."
    if any(each.secret.startswith(EMULATOR_TOKEN_PREFIX) for each in shown):
        return of_token
    if any(each.scheme == "bearer" and is_emulated_key(each.secret) for each in shown):
        return "Bearer takes tokens of auth/grant; an API key goes with Token."
    if any(not is_emulated_key(each.secret) for each in shown):
        return "This is pytest-dgbudget's emulator: it takes only its own api_key, not one of Deepgram's."
    return "The key is not, or no longer, one of this emulator's."


def _web_token(issued: datetime, expires: datetime) -> str:
    """Return a JSON Web Token recognisable as the emulator's; it is compared as a whole and never parsed here.

    The claims of the vendor's tokens are not documented; clients may look for ``exp``.
    """
    claims = {"iat": int(issued.timestamp()), "exp": int(expires.timestamp()), "jti": str(uuid4())}
    parts = ({"kid": "dgemu", "alg": "HS256", "typ": "JWT"}, claims)
    encoded = [_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts]
    token = ".".join([*encoded, _encoded(secrets.token_bytes(32))])
    assert token.startswith(EMULATOR_TOKEN_PREFIX)
    return token


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
