"""One run as the gateway holds it: who may spend, what is open, and what it came to."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import GatewayError, LedgerError
from pytest_dgbudget.gateway.admission import Admission, BudgetRefused, Waiter
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.grants import Grant, OpenLease, restored
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.sessions import MeteredSession, never_dialled
from pytest_dgbudget.gateway.tokens import Tokens
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import ClosedBy, Lease, Outcome, Overrun, UsageRecord
from pytest_dgbudget.protocol.codes import TEST_OVER
from pytest_dgbudget.rules.budget import describe
from pytest_dgbudget.units import format_time, seconds

# How long the end of a test waits for its sessions: they are aborted after a second at the latest.
_END_SECONDS = 1.5
# How long a successor keeps a client with a token that it doesn't know yet: its owner is about to come back.
_RETURN_SECONDS = 5

TEST_IS_OVER = Close(TEST_OVER, "the test is over, its token is revoked")
PROCESS_IS_GONE = Close(TEST_OVER, "the test's process is gone")


class ClientLeft(Exception):
    """The client is gone, or its test is over, before anything was dialled."""


class GatewayLost(Exception):
    """The test had a session open when another gateway died, and is charged for it in full."""


@dataclass(slots=True, eq=False)
class Owner:
    """A process with tests, as long as its control connection holds."""

    role: str
    grants: set[Grant]


class Run:
    """Grants by token, and the way from a token to a session. ``dialled`` has the id of every session of ours."""

    def __init__(self, run_config: RunConfig, ledger: Ledger, ledger_thread: LedgerThread) -> None:
        self._run_config = run_config
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._tokens: Tokens[Grant] = Tokens()
        # Those of tests that run; what became of the others, the ledger knows.
        self._grants: dict[str, Grant] = {}
        self._last_attempts: dict[tuple[str, str], str] = {}
        self._admission = Admission(ledger_thread, ledger, run_config.max_sessions, self._open_lease)
        self._over = False
        self._owners_return: asyncio.Future[None] | None = None
        self.tag = run_config.tag
        self.dialled: set[str] = set()

    # What control asks for -----------------------------------------------------------------------------------------

    async def grant(
        self,
        owner: Owner,
        nodeid: str,
        worker: str,
        budget_ms: int | None,
        idle_ms: int | None,
        scenario: str | None,
    ) -> dict[str, Any]:
        """Begin an attempt of a test."""
        self._refuse_when_over()
        attempt = await self._ledger_thread.call(self._ledger.begin_attempt, nodeid, worker, budget_ms)
        self._refuse_when_over()
        grant = Grant(attempt, idle_ms, scenario)
        grant.token = self._tokens.issue(grant)
        self._hold(grant, owner)
        return {
            "token": grant.token,
            "attempt": attempt.id,
            "number": attempt.number,
            "budget_seconds": grant.budget_seconds,
        }

    def await_owners(self) -> None:
        """This gateway replaces one that died: owners come back with what that one had granted."""
        self._owners_return = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(_RETURN_SECONDS, self._owners_are_back)

    async def restore(self, owner: Owner, attempt: str, token: str, idle_ms: int | None, scenario: str | None) -> None:
        """Take over a grant of the gateway before this one."""
        known = await self._ledger_thread.call(self._ledger.known_attempt, attempt)
        if known is None or self._over:
            return
        grant = restored(known, idle_ms, scenario)
        grant.token = token
        self._tokens.restore(token, grant)
        self._hold(grant, owner)
        self._owner_came_back()

    async def verdict(self, attempt: str) -> dict[str, Any]:
        """Tell what a budget cut or refused, which clients gave up waiting, and whether a gateway was lost."""
        grant = await self._known(attempt)
        return {
            "gateway_lost": None if grant.lost_ms is None else _charged_in_full(grant.lost_ms),
            "overruns": [{**asdict(overrun), "message": describe(overrun)} for overrun in grant.overruns],
            "waits_given_up_ms": grant.waits_given_up_ms,
        }

    async def usage(self, attempt: str, session: str | None) -> dict[str, Any]:
        """Tell what an attempt, or one session of it, has used so far."""
        grant = await self._known(attempt)
        if session is not None:
            return {"seconds": seconds(grant.session_used_ms(session)), "sessions": 1}
        return {"seconds": seconds(grant.used_ms), "sessions": grant.sessions_opened}

    async def remaining(self, attempt: str) -> dict[str, Any]:
        """Tell what an attempt may still use: of its lease, or before it has one; None where no budget applies."""
        grant = await self._known(attempt)
        if grant.lease is not None:
            return {"seconds": seconds(max(0, grant.lease.lease.allowance_ms - grant.lease.used_ms()))}
        scopes = await self._ledger_thread.call(self._ledger.scopes, grant.attempt)
        left = [max(0, scope.left_ms - scope.leased_ms) for scope in scopes]
        return {"seconds": seconds(min(left)) if left else None}

    async def end(self, owner: Owner, attempt: str) -> dict[str, Any]:
        """Close everything of an attempt, revoke its token, and tell its final figures and verdict."""
        grant = await self._known(attempt)
        await self._end([grant], "teardown", TEST_IS_OVER)
        answer = {"figures": grant.figures(), **await self.verdict(attempt)}
        if not grant.open_sessions:
            owner.grants.discard(grant)
            self._grants.pop(attempt, None)
        return answer

    async def lost(self, nodeid: str, worker: str) -> dict[str, Any] | None:
        """Tell the final figures of the last attempt of a test whose process is gone; None when it had none."""
        attempt = self._last_attempts.get((nodeid, worker))
        if attempt is None:
            return None
        grant = await self._known(attempt)
        await self._end([grant], "owner-lost", PROCESS_IS_GONE)
        return grant.figures()

    def outcome(self, attempt: str, outcome: Outcome) -> None:
        self._ledger_thread.enqueue(self._ledger.record_outcome, attempt, outcome)

    def owner_lost(self, owner: Owner) -> None:
        """Begin to close everything of an owner; of all of them, when it is the controller that is gone."""
        grants = list(self._grants.values()) if owner.role == "controller" else list(owner.grants)
        self._begin_end(grants, "owner-lost", PROCESS_IS_GONE)

    async def end_all(self, closed_by: ClosedBy) -> None:
        """Close and revoke everything of every owner, and grant nothing any more."""
        self._over = True
        await self._end(list(self._grants.values()), closed_by, Close(TEST_OVER, "the run is over"))
        self._admission.stop()

    def ledger_failed(self) -> None:
        """What can't be recorded must not go on."""
        for grant in self._grants.values():
            grant.close_sessions("teardown", Close(TEST_OVER, "the ledger can't be written"))

    # What a client asks for ----------------------------------------------------------------------------------------

    async def find(self, token: str) -> Grant | None:
        """Return the grant that a token names; a successor leaves owners time to come back with theirs."""
        while (grant := self._tokens.find(token)) is None and self._owners_return is not None:
            await asyncio.wait([self._owners_return])
        return grant

    async def open_session(self, grant: Grant, gone: asyncio.Future[None]) -> MeteredSession:
        """Take a lease, record the dial and begin to meter; the caller dials at once.

        Raises ClientLeft, BudgetRefused, GatewayLost or LedgerError, and has then opened and set aside nothing.
        """
        if grant.lost_ms is not None:
            raise GatewayLost(_charged_in_full(grant.lost_ms))
        lease = await self._admitted(grant, gone)
        try:
            dial, lease.first_dial = lease.first_dial, None
            if dial is None:
                dial = await self._ledger_thread.call(self._ledger.record_dial, lease.lease)
            if self._ledger_thread.error is not None:
                raise self._ledger_thread.error
        except LedgerError:
            self._admission.give_back(lease)
            raise
        self.dialled.add(dial)
        session = MeteredSession(dial, idle_ms=grant.idle_ms, ended=partial(self._session_ended, grant, lease))
        grant.open_sessions.append(session)
        lease.opened(session)
        gone.add_done_callback(lambda _: session.close("client", Close(1000, "")))
        if grant.ended.done():
            session.close("teardown", TEST_IS_OVER)
        return session

    def welcomed(self, session: MeteredSession, request_id: str) -> None:
        self._ledger_thread.enqueue(self._ledger.record_welcome, session.id, request_id, session.handshake_ms or 0)

    async def _admitted(self, grant: Grant, gone: asyncio.Future[None]) -> OpenLease:
        waiter = Waiter(grant)
        try:
            lease = await self._admission.admit(waiter, gone)
        except BudgetRefused as refused:
            self._note_refusal(grant, refused.overrun)
            raise
        finally:
            if waiter.waited_ms:
                self._ledger_thread.enqueue(self._ledger.record_wait, grant.attempt, waiter.waited_ms)
        if lease is not None and not gone.done() and not grant.ended.done():
            return lease
        if lease is not None:
            self._admission.give_back(lease)
        elif waiter.had_to_wait and not grant.ended.done():
            grant.waits_given_up_ms.append(waiter.waited_ms)
        raise ClientLeft

    def _note_refusal(self, grant: Grant, overrun: Overrun) -> None:
        grant.overruns.append(overrun)
        tolerated = overrun.scope == "run" and self._run_config.on_exhausted == "skip"
        self._ledger_thread.enqueue(self._ledger.record_refusal, grant.attempt, overrun, tolerated=tolerated)

    def _hold(self, grant: Grant, owner: Owner) -> None:
        self._grants[grant.attempt.id] = grant
        self._last_attempts[grant.attempt.nodeid, grant.attempt.worker] = grant.attempt.id
        owner.grants.add(grant)

    async def _known(self, attempt: str) -> Grant:
        """Return a grant, as the ledger knows it where its test is over; raises GatewayError."""
        if attempt in self._grants:
            return self._grants[attempt]
        known = await self._ledger_thread.call(self._ledger.known_attempt, attempt)
        if known is None:
            raise GatewayError(f"nothing is known of an attempt {attempt!r}")
        grant = restored(known, None)
        grant.ended.set_result(None)
        return grant

    def _owner_came_back(self) -> None:
        if self._owners_return is not None:
            came, self._owners_return = self._owners_return, asyncio.get_running_loop().create_future()
            came.set_result(None)

    def _owners_are_back(self) -> None:
        if self._owners_return is not None:
            self._owners_return.set_result(None)
            self._owners_return = None

    def _refuse_when_over(self) -> None:
        if self._over:
            raise GatewayError("the run is over; nothing is granted any more")

    # How things end ------------------------------------------------------------------------------------------------

    def _begin_end(self, grants: list[Grant], closed_by: ClosedBy, to_client: Close) -> None:
        for grant in grants:
            self._tokens.revoke(grant.token)
            if not grant.ended.done():
                grant.ended.set_result(None)
            grant.close_sessions(closed_by, to_client)

    async def _end(self, grants: list[Grant], closed_by: ClosedBy, to_client: Close) -> None:
        self._begin_end(grants, closed_by, to_client)
        closing = [asyncio.ensure_future(grant.all_closed()) for grant in grants if grant.open_sessions]
        if closing:
            await asyncio.wait(closing, timeout=_END_SECONDS)
        await self._ledger_thread.written()

    def _open_lease(self, grant: Grant, lease: Lease, dial: str) -> OpenLease:
        grant.lease = OpenLease(lease, dial, grant.overruns.append, lambda open_lease: self._settle(grant, open_lease))
        return grant.lease

    def _settle(self, grant: Grant, lease: OpenLease) -> None:
        grant.lease = None
        if lease.first_dial is not None:
            self._ledger_thread.enqueue(self._ledger.record_usage, never_dialled(lease.first_dial))
        grant.settled_ms += lease.meter.used_ms
        self._ledger_thread.enqueue(self._ledger.settle, lease.lease, lease.meter.used_ms)

    def _session_ended(
        self, grant: Grant, lease: OpenLease, session: MeteredSession, record: UsageRecord, at_ms: int
    ) -> None:
        lease.closed(session, at_ms)
        grant.session_ended(session, record)
        self._ledger_thread.enqueue(self._ledger.record_usage, record)
        self._admission.give_back(lease)


def _charged_in_full(ms: int) -> str:
    return (
        f"the gateway died while this test had a session open: it is closed, nobody saw its end, and all of its "
        f"lease is charged, {format_time(ms)}; this test can open nothing more; the statement may lower the charge"
    )
