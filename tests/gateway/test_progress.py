"""What is shown of a run while it goes on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.progress import progress_of
from pytest_dgbudget.ledger.budgets import Settled
from pytest_dgbudget.model import Attempt
from tests.support.gateway import asked

ATTEMPT = Attempt(id="a1", nodeid="test_a", worker="", number=1, target=None, budget_ms=None, left_ms=None)


async def made() -> Grant:
    return Grant(ATTEMPT, asked())


def test_i11_a_replay_beside_live_sessions_is_none_that_is_open() -> None:
    grant = asyncio.run(made())
    live, opening, beside = ((250, False), (None, False), (1, True))
    sessions: list[Any] = [
        SimpleNamespace(handshake_ms=ms, is_beside_live=is_beside) for ms, is_beside in (live, opening, beside)
    ]
    grant.open_sessions = sessions
    assert progress_of(Settled(0, 0), [grant], waiting=0).open_sessions == 1
