"""The attempts of a run: those that go on, and what their owners ask of one."""

from __future__ import annotations

import asyncio

from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.gateway.earlier_grants import ended
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.opens_no_more import charged_in_full
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import MeasuredTurn, Usage
from pytest_dgbudget.protocol.operations import Verdict
from pytest_dgbudget.rules.attempts import forecast_notes, usd_or_none
from pytest_dgbudget.rules.budget import free_ms
from pytest_dgbudget.rules.order import is_of_order, violation_sentence
from pytest_dgbudget.units import seconds

# How long a verdict waits for what an emulator says of sessions that are over.
_ENDING_SECONDS = 1.5


class Attempts:
    """The grants of attempts that go on; what became of the others, the ledger knows.

    ``highest_price`` is that of a minute of a session whose tier is not known, in millionths of a dollar. What is asked
    of an attempt of which nobody knows raises GatewayError.
    """

    def __init__(self, ledger: Ledger, ledger_thread: LedgerThread, highest_price: int) -> None:
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._highest_price = highest_price
        self._grants: dict[str, Grant] = {}
        self._last: dict[tuple[str, str], str] = {}

    def begun(self, grant: Grant) -> None:
        """Take in one that goes on."""
        self._grants[grant.attempt.id] = grant
        self._last[grant.attempt.nodeid, grant.attempt.worker] = grant.attempt.id

    def over(self, attempt: str) -> None:
        """Leave it to the ledger from now on."""
        self._grants.pop(attempt, None)

    def going_on(self, attempt: str) -> Grant | None:
        """Return the grant of an attempt; None where it is over."""
        return self._grants.get(attempt)

    def grants(self) -> list[Grant]:
        """Return the grants of all that go on."""
        return list(self._grants.values())

    def last(self, nodeid: str, worker: str) -> str | None:
        """Return the last attempt of a test that began in this gateway; None where none has."""
        return self._last.get((nodeid, worker))

    async def known(self, attempt: str) -> Grant:
        """Return a grant, as the ledger knows it where its test is over; raises GatewayError."""
        if attempt in self._grants:
            return self._grants[attempt]
        known = await self._ledger_thread.call(self._ledger.known_attempt, attempt)
        if known is None:
            raise GatewayError(f"nothing is known of an attempt {attempt!r}")
        return ended(known)

    async def verdict(self, attempt: str) -> Verdict:
        """Return what became of an attempt so far, with all of the sessions that are over."""
        grant = await self.known(attempt)
        ending = [session.done for session in grant.open_sessions if session.is_ending]
        if ending:
            await asyncio.wait(ending, timeout=_ENDING_SECONDS)
        return Verdict(
            overruns=tuple(grant.overruns.all),
            refusals=grant.refusals(),
            bypasses=tuple(grant.bypasses),
            notes=(*grant.notes, *_forecast_notes(grant)),
            waits_given_up=tuple(grant.waits_given_up),
            gateway_lost=None if grant.lost_ms is None else charged_in_full(grant.lost_ms),
            had_clients=grant.had_clients(),
            order_violations=tuple(
                violation_sentence(violation, request_id)
                for _, request_id, violation in grant.violations()
                if is_of_order(violation.rule)
            ),
            mismatches=grant.mismatches(),
            replays=grant.replays(),
        )

    async def violations(self, attempt: str, session: str) -> tuple[str, ...]:
        """Return a sentence for all that one session broke of the protocol so far."""
        grant = await self.known(attempt)
        return tuple(
            violation_sentence(found, request_id) for id_, request_id, found in grant.violations() if id_ == session
        )

    async def turns(self, attempt: str, session: str | None) -> tuple[MeasuredTurn, ...]:
        """Return the turns of an attempt, or of one session of it, that are answered or over."""
        grant = await self.known(attempt)
        return await grant.turns_of(session)

    async def usage(self, attempt: str, session: str | None) -> Usage:
        """Return what an attempt, or one session of it, has used so far."""
        grant = await self.known(attempt)
        if session is not None:
            cost_usd = usd_or_none(grant.session_micro_usd(session))
            return Usage(seconds=seconds(grant.session_used_ms(session)), sessions=1, cost_usd=cost_usd)
        figures = grant.figures()
        return Usage(seconds=seconds(grant.used_ms), sessions=figures["sessions"], cost_usd=figures["cost_usd"])

    async def remaining(self, attempt: str) -> float | None:
        """Return the seconds that an attempt may still use: of its lease, or before it has one."""
        grant = await self.known(attempt)
        if grant.spent.done():
            return 0.0
        if grant.lease is not None:
            return seconds(max(0, grant.lease.left_ms()))
        scopes = await self._ledger_thread.call(self._ledger.scopes, grant.attempt)
        left = [free_ms(scope, self._highest_price) for scope in scopes]
        return seconds(max(0, min(left))) if left else None


def _forecast_notes(grant: Grant) -> list[str]:
    """Say nothing of a replay: no pace has skipped what it saves."""
    figures = grant.figures()
    return [] if figures["replayed"] else forecast_notes(figures)
