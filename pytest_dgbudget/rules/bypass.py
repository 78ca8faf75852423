"""Whether sessions went past the gateway, as far as anybody can know."""

from __future__ import annotations

from typing import Literal

BypassState = Literal["refused", "unknown", "possible", "seen"]


def bypass_state(*, seen: bool, possible: bool, live: bool, sessions: int) -> BypassState:
    """Return what a run's report says of it.

    ``seen``: a session was dialled past the gateway, and reported. ``possible``: one could be, unseen. ``unknown``: of
    a live run no session reached the gateway, so perhaps its application dials elsewhere. ``refused``: whoever would
    dial past it is redirected or refused.
    """
    if seen:
        return "seen"
    if possible:
        return "possible"
    return "unknown" if live and not sessions else "refused"
