"""The turns of an attempt's sessions, wherever they are known."""

from __future__ import annotations

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.ledger.facts import SessionFacts, TurnFacts
from pytest_dgbudget.ledger.replays import is_replay
from pytest_dgbudget.model import MeasuredTurn, SessionTurns, UsageRecord


async def turns_by_session(grant: Grant) -> tuple[SessionTurns, ...]:
    """Return the turns of each session of an attempt that opened and is not replayed, those that have ended first."""
    still_open = [each for each in grant.open_sessions if each.handshake_ms is not None and not each.is_replayed]
    ended = [
        SessionTurns(name=each.request_id or id_, turns=_turns_of(each, id_, grant))
        for id_, each in grant.ended_sessions.items()
        if each.handshake_ms is not None and not is_replay(each)
    ]
    return (*ended, *[await _so_far(session) for session in still_open])


def _turns_of(ended: UsageRecord | SessionFacts, id_: str, grant: Grant) -> tuple[MeasuredTurn, ...]:
    """Return the turns of a session that has ended, as its record or else the ledger has them."""
    if isinstance(ended, UsageRecord):
        return ended.turns
    return tuple(_measured(turn) for turn in grant.earlier_turns if turn.session == id_)


def _measured(turn: TurnFacts) -> MeasuredTurn:
    return MeasuredTurn(
        started_ms=turn.started_ms,
        since=turn.since,
        answered_ms=turn.answered_ms,
        overlapped=bool(turn.overlapped),
        unpaced=bool(turn.unpaced),
        continued=bool(turn.continued),
        function_ms=turn.function_ms,
    )


async def _so_far(session: MeteredSession) -> SessionTurns:
    turns = await session.turns()
    return SessionTurns(name=session.request_id or session.id, turns=turns, awaits_answer=session.awaits_answer)
