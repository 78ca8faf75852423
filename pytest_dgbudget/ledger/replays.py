"""What became of a replay, as columns of the ledger."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pytest_dgbudget.ledger.facts import SessionFacts
from pytest_dgbudget.model import Attempt, Mismatch, Replayed, UsageRecord


def replay_columns(replay: Replayed | None) -> dict[str, Any]:
    """Return the columns of a usage record; NULL where the session was dialled."""
    if replay is None:
        return dict.fromkeys(("cassette", "cassette_recorded_at", "mismatch"))
    mismatch = None if replay.mismatch is None else json.dumps(asdict(replay.mismatch), ensure_ascii=False)
    return {"cassette": replay.cassette, "cassette_recorded_at": replay.recorded_at, "mismatch": mismatch}


def mismatch_in(text: str) -> Mismatch:
    """Return a mismatch that ``replay_columns`` wrote."""
    written = json.loads(text)
    of_lists = {key: tuple(value) for key, value in written.items() if isinstance(value, list)}
    return Mismatch(**{**written, **of_lists})


def is_replay(session: UsageRecord | SessionFacts) -> bool:
    """Return whether a session was replayed."""
    return session.replay is not None if isinstance(session, UsageRecord) else session.is_replay


def is_beside_live(session: UsageRecord | SessionFacts, attempt: Attempt) -> bool:
    """Return whether a session of an attempt was replayed in a run that dials what has no cassette."""
    if isinstance(session, UsageRecord):
        return session.replay is not None and session.replay.beside_live
    return session.target != attempt.target


def mismatch_of(session: UsageRecord | SessionFacts) -> Mismatch | None:
    """Return what a session's client did otherwise than its cassette."""
    if isinstance(session, UsageRecord):
        return None if session.replay is None else session.replay.mismatch
    return None if session.mismatch is None else mismatch_in(session.mismatch)
