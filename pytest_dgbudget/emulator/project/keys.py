"""API keys and what each may do. Pure.

Scopes and roles: the vendor's page "Working With Roles & API Scopes". It does not document the scope that an endpoint
needs; that is inferred from the names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

_MEMBER = ("project:read", "project:write", "keys:read", "keys:write", "usage:read", "usage:write")
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
