"""Whose statement it is, and what its breakdowns come to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose statement it is, and where; ``project`` None: the only one that the key sees."""

    api_url: str
    project: str | None
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagTotal:
    """What a breakdown has under one tag: milliseconds, or millionths of a dollar.

    None where it shows no tags, so that nobody can tell whose the figures are.
    """

    amount: int | None
