"""One run as the gateway holds it: who may spend, what is open, and what it came to."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import GatewayError, LedgerError
from pytest_dgbudget.gateway.admission import Admission, Admitted, Waiter
from pytest_dgbudget.gateway.attempts import Attempts
from pytest_dgbudget.gateway.bearers import Bearers, ClientLeft, Owner, Spender
from pytest_dgbudget.gateway.bypasses import Bypasses
from pytest_dgbudget.gateway.clock import metering_loop
from pytest_dgbudget.gateway.credit import Credit
from pytest_dgbudget.gateway.earlier_grants import restored
from pytest_dgbudget.gateway.events import EndpointUnused, Events, SessionRefused
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.heard_audio import AudioMemory
from pytest_dgbudget.gateway.key_requests import KeyRequests
from pytest_dgbudget.gateway.leases import BudgetRefused, Leases
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.minted import MintedTokens
from pytest_dgbudget.gateway.opens_no_more import check_that_it_can_be_recorded, check_that_it_opens_more
from pytest_dgbudget.gateway.other_gateways import open_elsewhere
from pytest_dgbudget.gateway.owner_notifications import OwnerNotifications
from pytest_dgbudget.gateway.progress import progress_of
from pytest_dgbudget.gateway.returning import ReturningClients, SessionClient, came_back
from pytest_dgbudget.gateway.run_keys import RunKey, RunKeys, no_run_key
from pytest_dgbudget.gateway.services.service import AskSkipped, Service
from pytest_dgbudget.gateway.session_terms import SessionReplay, SessionTerms
from pytest_dgbudget.gateway.sessions import Funds, MeteredSession, NoFunds
from pytest_dgbudget.gateway.stopping import Stopping
from pytest_dgbudget.gateway.strangers import Strangers
from pytest_dgbudget.ledger.changes import Changes
from pytest_dgbudget.ledger.ids import new_id
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import ApiAccess, ClosedBy, Lease, Outcome, Overrun, UsageRecord
from pytest_dgbudget.protocol.codes import TEST_OVER
from pytest_dgbudget.protocol.operations import (
    AttemptRecordings,
    BeginAttempt,
    EndedAttempt,
    EndedLostTest,
    GrantedAttempt,
    HeldGrant,
    Progress,
)
from pytest_dgbudget.rules.budget import is_shared_refusal
from pytest_dgbudget.rules.prices import price_table
from pytest_dgbudget.rules.stalls import stall_sentence

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings

# How long the end of a test waits for its sessions: they are aborted after a second at the latest, and an emulator is
# asked for another what they have skipped.
_END_SECONDS = 2.5
# What is kept of the audio of all sessions, for their turns: of sixty 10 s of 24 kHz each, of a hundred six.
_AUDIO_BYTES = 32 * 1024 * 1024

TEST_IS_OVER = Close(TEST_OVER, "the test is over, its token is revoked")
PROCESS_IS_GONE = Close(TEST_OVER, "the test's process is gone")


class Run:
    """Grants by token, and the way from a token to a session. ``dialled`` has the id of every session of ours."""

    def __init__(
        self,
        run_config: RunConfig,
        ledger: Ledger,
        ledger_thread: LedgerThread,
        events: Events,
        changes: Callable[[], Changes],
        worker_tokens: Sequence[str] = (),
        recordings: Recordings | None = None,
        access: ApiAccess | None = None,
    ) -> None:
        self._run_config = run_config
        self._prices = price_table(run_config.prices, run_config.prices_as_of)
        self._audio_memory = AudioMemory(_AUDIO_BYTES)
        self.recordings = recordings
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._events = events
        self._notifications = OwnerNotifications(run_config, events)
        self.stopping = Stopping(run_config, events)
        self.attempts = Attempts(ledger, ledger_thread, self._prices.highest())
        self.bearers = Bearers(self.attempts.going_on, worker_tokens)
        self._clock = metering_loop()
        self.run_keys = RunKeys(run_config, KeyRequests(run_config, access), ledger, ledger_thread, events)
        self.credit = Credit(run_config, access, ledger, ledger_thread, events, self._prices.highest())
        self._leases = Leases(ledger, ledger_thread, self._clock, events, self._prices.highest())
        self._admission = Admission(self._leases, ledger_thread, run_config.max_sessions, changes)
        # What is not dialled where the run is takes no place of the run.
        self._admission_elsewhere = Admission(self._leases, ledger_thread, math.inf, changes)
        self.minted = MintedTokens()
        self.strangers = Strangers(self.attempts, events)
        self.bypasses = Bypasses(ledger, ledger_thread, events)
        self._returning = ReturningClients()
        self._over = False
        self.id = run_config.run_id
        self.dialled: set[str] = set()

    # What owners ask for -------------------------------------------------------------------------------------------

    async def grant(self, owner: Owner, asked: BeginAttempt) -> GrantedAttempt:
        """Begin an attempt of a test."""
        self._refuse_when_over()
        attempt = await self._ledger_thread.call(
            self._ledger.begin_attempt,
            asked.nodeid,
            asked.worker,
            asked.budget_ms,
            asked.target,
            asked.path,
            asked.cost_budget_micro_usd,
        )
        self._refuse_when_over()
        grant = Grant(attempt, asked)
        grant.token = self.bearers.issue(grant)
        self._hold(grant, owner)
        return GrantedAttempt(
            id=attempt.id,
            number=attempt.number,
            budget_seconds=grant.figures()["budget_seconds"],
            recordings=self._recordings_of(grant),
            token=grant.token,
        )

    def joined(self, owner: Owner, token: str | None) -> None:
        """Take in an owner with its process token, if it has one."""
        if token is not None:
            self.bearers.joined(owner, token)

    async def restore(self, owner: Owner, held: HeldGrant) -> None:
        """Take over a grant of the gateway before this one, which can hold nothing any more."""
        await self._ledger_thread.call(self._ledger.end_left, held.attempt)
        known = await self._ledger_thread.call(self._ledger.known_attempt, held.attempt)
        if known is None or self._over:
            return
        grant = restored(known, held.asked)
        grant.emulator_calls = held.emulator_calls
        grant.token = held.token
        self.bearers.restore(held.token, grant)
        self._hold(grant, owner)

    async def end(self, owner: Owner, attempt: str, *, expects_clients: bool = False) -> EndedAttempt:
        """Close everything of an attempt, revoke its token, and return its final figures and verdict."""
        grant = await self.attempts.known(attempt)
        await self._end([grant], "teardown", TEST_IS_OVER)
        if expects_clients and not grant.had_clients():
            self._events.emit(EndpointUnused(nodeid=grant.attempt.nodeid))
        ended = EndedAttempt(
            figures=grant.figures(), verdict=await self.attempts.verdict(attempt), leaked=grant.leaked()
        )
        if not grant.open_sessions:
            owner.grants.discard(grant)
            self.attempts.over(attempt)
            self._notifications.end(grant)
        return ended

    def _recordings_of(self, grant: Grant) -> AttemptRecordings | None:
        if self.recordings is None:
            return None
        target = grant.attempt.target or self._run_config.recorded_target
        return AttemptRecordings(folder=str(self.recordings.folder_of(grant.attempt.id)), target=target)

    async def end_lost_test(self, nodeid: str, worker: str) -> EndedLostTest | None:
        """Return the last attempt of a test whose process is gone, with its final figures; None when it had none."""
        attempt = self.attempts.last(nodeid, worker)
        if attempt is None:
            return await self._lost_elsewhere(nodeid, worker)
        grant = await self.attempts.known(attempt)
        await self._end([grant], "owner-lost", PROCESS_IS_GONE)
        return EndedLostTest(attempt=attempt, figures=grant.figures(), recordings=self._recordings_of(grant))

    async def _lost_elsewhere(self, nodeid: str, worker: str) -> EndedLostTest | None:
        """The same of a process that had a gateway of its own, which ends that attempt; the ledger knows of it."""
        attempt = await self._ledger_thread.call(self._ledger.last_attempt, nodeid, worker)
        if attempt is None:
            return None
        await open_elsewhere(self._ledger, self._ledger_thread, attempt)
        return EndedLostTest(attempt=attempt, figures=(await self.attempts.known(attempt)).figures(), recordings=None)

    async def progress(self) -> Progress:
        """Return what the run has used up to now, and what is open."""
        settled = await self._ledger_thread.call(self._ledger.settled_of_run)
        return progress_of(settled, self.attempts.grants(), self._admission.waiting())

    def record_outcome(self, attempt: str, outcome: Outcome) -> None:
        self._ledger_thread.enqueue(self._ledger.record_outcome, attempt, outcome)

    def record_cassette(self, session: str, cassette: str) -> None:
        self._ledger_thread.enqueue(self._ledger.record_made_cassette, session, cassette)

    def owner_lost(self, owner: Owner) -> None:
        """Begin to close everything of an owner; of all of them, when it is gone that started the gateway."""
        self.bearers.lost(owner)
        for grant in owner.grants:
            self._notifications.end(grant)
        grants = self.attempts.grants() if owner.started_gateway else list(owner.grants)
        self._begin_end(grants, "owner-lost", PROCESS_IS_GONE)

    async def end_all(self, closed_by: ClosedBy) -> None:
        """Close and revoke everything of every owner, and grant nothing any more."""
        self._over = True
        why = "the gateway was told to end" if closed_by == "gateway-lost" else "the run is over"
        await self._end(self.attempts.grants(), closed_by, Close(TEST_OVER, why))
        self.credit.end()
        self._admission.stop()
        self._admission_elsewhere.stop()

    def ledger_failed(self) -> None:
        """What can't be recorded must not go on."""
        for grant in self.attempts.grants():
            grant.close_sessions("teardown", Close(TEST_OVER, "the ledger can't be written"))

    # What a client asks for ----------------------------------------------------------------------------------------

    async def find(self, token: str, gone: asyncio.Future[None]) -> Spender | None:
        """Return whose grant a client with this token spends by now; None for a token that means nothing.

        Raises RequestRefused where a process runs no test, or several, and ClientLeft.
        """
        bearer = await self.bearers.find(token)
        return None if bearer is None else await self.bearers.spender(bearer, gone)

    async def knows(self, token: str) -> bool:
        """Return whether a token is valid, whichever test it means."""
        return await self.bearers.find(token) is not None

    async def open_session(
        self,
        grant: Grant,
        service: Service,
        gone: asyncio.Future[None],
        *,
        run_key: Callable[[], RunKey | None] = no_run_key,
        shared_client: SessionClient | None = None,
        ask_skipped: AskSkipped | None = None,
    ) -> MeteredSession:
        """Take a lease, record the dial and begin to meter; the caller dials at once.

        ``run_key`` returns the key to dial with, when that is due. ``shared_client`` came with the token of a process,
        so it may be one of many tests. ``ask_skipped`` is that of the target.
        Raises ClientLeft, BudgetRefused, GatewayLost, CreditMissing, RunKeyMissing, RequestRefused or LedgerError, and
        has then opened and set aside nothing.
        """
        check_that_it_opens_more(grant)
        check_that_it_can_be_recorded(grant)
        if grant.attempt.target is None:
            await self.credit.ready()
            await self.run_keys.ready()
        admitted = await self._admitted(Waiter(grant, run_key), gone)
        lease = admitted.lease
        self.dialled.add(admitted.dial)
        terms = self._terms(admitted.dial, grant, service, shared_client)
        terms = replace(terms, ask_skipped=ask_skipped, run_key=admitted.run_key)
        session = self._metered(terms, grant, lease, partial(self._session_ended, lease))
        lease.opened(session)
        self._end_with(session, grant, gone)
        return session

    async def open_replay(
        self,
        grant: Grant,
        service: Service,
        gone: asyncio.Future[None],
        replay: SessionReplay,
        *,
        shared_client: SessionClient | None = None,
    ) -> MeteredSession:
        """Record a replay, which takes neither time nor money and needs no place; the caller dials it at once.

        Raises ClientLeft, GatewayLost, RequestRefused or LedgerError.
        """
        check_that_it_opens_more(grant)
        self._ledger_thread.check()
        lease, dial = await self._ledger_thread.call(self._ledger.begin_replay, grant.attempt, replay.cassettes)
        terms = replace(self._terms(dial, grant, service, shared_client), replay=replay)
        session = self._metered(terms, grant, NoFunds(), partial(self._replay_ended, grant, lease))
        self._end_with(session, grant, gone)
        return session

    def _metered(
        self, terms: SessionTerms, grant: Grant, funds: Funds, ended: Callable[[MeteredSession, UsageRecord], None]
    ) -> MeteredSession:
        session = MeteredSession(terms, self._clock, self._events, funds=funds, welcomed=self._welcomed, ended=ended)
        grant.open_sessions.append(session)
        if terms.client is not None:
            self._note_return(grant, terms.client)
        return session

    def _end_with(self, session: MeteredSession, grant: Grant, gone: asyncio.Future[None]) -> None:
        """Close a session when its client goes, or where its test is over already."""
        gone.add_done_callback(lambda _: session.close("client", Close(1000, "")))
        if grant.ended.done():
            session.close(grant.ended.result(), TEST_IS_OVER)

    def _terms(self, dial: str, grant: Grant, service: Service, shared_client: SessionClient | None) -> SessionTerms:
        return SessionTerms(
            id=dial,
            attempt=grant.attempt.id,
            service=service,
            tag=self._run_config.tag,
            prices=self._prices,
            audio_memory=self._audio_memory,
            recordings=self.recordings,
            idle_ms=grant.asked.idle_ms,
            client=shared_client,
        )

    def _note_return(self, grant: Grant, client: SessionClient) -> None:
        earlier = self._returning.earlier_test(grant.attempt.nodeid, client)
        if earlier is not None:
            grant.notes[came_back(earlier)] = None

    def _welcomed(self, session: MeteredSession, request_id: str) -> None:
        self._ledger_thread.enqueue(self._ledger.record_welcome, session.id, request_id, session.handshake_ms or 0)

    async def _admitted(self, waiter: Waiter, gone: asyncio.Future[None]) -> Admitted:
        grant, admission = waiter.grant, self._admission_of(waiter.grant)
        try:
            admitted = await admission.admit(waiter, gone)
        except BudgetRefused as refused:
            self._note_refusal(grant, refused.overrun)
            raise
        finally:
            for awaited, ms in waiter.waited().items():
                self._ledger_thread.enqueue(self._ledger.record_wait, new_id(), grant.attempt, ms, awaited)
        waiter.left = waiter.left or gone.done()
        if admitted is not None and not waiter.left and not grant.ended.done():
            return self._unless_ledger_failed(waiter, admitted)
        if admitted is not None:
            admission.give_up(waiter, admitted)
        elif not grant.ended.done() and (given_up := waiter.given_up()) is not None:
            grant.waits_given_up.append(given_up)
        raise ClientLeft

    def _unless_ledger_failed(self, waiter: Waiter, admitted: Admitted) -> Admitted:
        """Nothing is dialled of which no end could be recorded."""
        try:
            self._ledger_thread.check()
        except LedgerError:
            self._admission_of(waiter.grant).give_up(waiter, admitted)
            raise
        return admitted

    def _admission_of(self, grant: Grant) -> Admission:
        return self._admission if grant.attempt.target is None else self._admission_elsewhere

    def _note_refusal(self, grant: Grant, overrun: Overrun) -> None:
        self._events.emit(SessionRefused(attempt=grant.attempt.id, overrun=overrun))
        if grant.overruns.refuse(overrun):
            self._record_refusals(grant, overrun, 1)

    def _record_refusals(self, grant: Grant, overrun: Overrun, times: int) -> None:
        tolerated = self._run_config.on_exhausted == "skip" and is_shared_refusal(overrun)
        self._ledger_thread.enqueue(
            self._ledger.record_refusal, new_id(), grant.attempt, overrun, tolerated=tolerated, times=times
        )

    def _hold(self, grant: Grant, owner: Owner) -> None:
        self.attempts.begun(grant)
        owner.grants.add(grant)
        if grant.asked.notify:
            self._notifications.begin(grant, owner.notify)

    def _refuse_when_over(self) -> None:
        if self._over:
            raise GatewayError("the run is over; nothing is granted any more")

    # How things end ------------------------------------------------------------------------------------------------

    def _begin_end(self, grants: list[Grant], closed_by: ClosedBy, to_client: Close) -> None:
        for grant in grants:
            self.bearers.end(grant)
            if not grant.ended.done():
                grant.ended.set_result(closed_by)
            for overrun, times in grant.overruns.take_refused_again():
                self._record_refusals(grant, overrun, times)
            for session in grant.open_sessions:
                if session.client is not None and closed_by == "teardown":
                    self._returning.closed(grant.attempt.nodeid, session.client)
            grant.close_sessions(closed_by, to_client)

    async def _end(self, grants: list[Grant], closed_by: ClosedBy, to_client: Close) -> None:
        self._begin_end(grants, closed_by, to_client)
        closing = [asyncio.ensure_future(grant.all_closed()) for grant in grants if grant.open_sessions]
        if closing:
            await asyncio.wait(closing, timeout=_END_SECONDS)
        await self._ledger_thread.written()

    def _replay_ended(self, grant: Grant, lease: Lease, session: MeteredSession, record: UsageRecord) -> None:
        grant.session_ended(session, record)
        self._ledger_thread.enqueue(self._ledger.record_usage, record)
        self._ledger_thread.enqueue(self._ledger.settle, lease, 0, 0)

    def _session_ended(self, lease: OpenLease, session: MeteredSession, record: UsageRecord) -> None:
        lease.grant.notes.update((stall_sentence(stall, record.request_id), None) for stall in session.stalls)
        self._leases.session_ended(lease, session, record)
        self._admission_of(lease.grant).give_back(lease)
