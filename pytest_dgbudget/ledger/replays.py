"""What became of a replay, as columns of the ledger."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pytest_dgbudget.model import Mismatch, Replayed


def replay_columns(replay: Replayed | None) -> dict[str, Any]:
    """Return the columns of a usage record; NULL where the session was dialled."""
    if replay is None:
        return dict.fromkeys(("cassette", "cassette_recorded_at", "mismatch"))
    mismatch = None if replay.mismatch is None else json.dumps(asdict(replay.mismatch), ensure_ascii=False)
    return {"cassette": replay.cassette, "cassette_recorded_at": replay.recorded_at, "mismatch": mismatch}


def mismatch_in(text: str) -> Mismatch:
    """Return a mismatch that ``replay_columns`` wrote."""
    written = json.loads(text)
    return Mismatch(**{**written, "differences": tuple(written["differences"])})
