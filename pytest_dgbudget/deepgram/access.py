"""Whose statement it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAccess:
    """Whose statement it is, and where; ``project`` None: the only one that the key sees."""

    api_url: str
    project: str | None
    key: str = field(repr=False)
