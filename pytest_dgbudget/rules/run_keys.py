"""Keys that are made for a run: what they are called, and how long they are used.

The vendor's API gives a temporary key a time to live, and shows its comment to whoever lists the project's keys.
"""

from __future__ import annotations

import re

TTL_SECONDS = 86_400
_RENEWED_AFTER_MS = 82_800_000
# The vendor's clock ends it; ours may be behind.
_UNUSED_BEFORE_END_MS = 60_000

_COMMENT = "dgbudget "
_OURS = re.compile(rf"{_COMMENT}([A-Za-z0-9._-]{{1,100}})")


def comment_of(run: str) -> str:
    """Return the comment of a run's keys."""
    return _COMMENT + run


def run_of(comment: str) -> str | None:
    """Return the run whose key has this comment; None where that is no comment of ours."""
    match = _OURS.fullmatch(comment)
    return None if match is None else match[1]


def is_due(made_ms: int, now_ms: int) -> bool:
    """Return whether another key is to be made in the place of one that was made then."""
    return now_ms - made_ms >= _RENEWED_AFTER_MS


def is_usable(made_ms: int, now_ms: int) -> bool:
    """Return whether a dial that begins now will still find its key valid."""
    return now_ms - made_ms < TTL_SECONDS * 1000 - _UNUSED_BEFORE_END_MS


def has_expired(made_ms: int, now_ms: int) -> bool:
    """Return whether a key that was made then opens nothing any more."""
    return now_ms - made_ms > TTL_SECONDS * 1000 + _UNUSED_BEFORE_END_MS
