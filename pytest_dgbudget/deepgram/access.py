"""Access to the management API."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """Where the statement is, and with which key; ``project`` None: the only one that the key can see."""

    api_url: str
    project: str | None
    key: str = field(repr=False)
