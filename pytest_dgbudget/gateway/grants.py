"""Grants and their leases as the gateway holds them while a test runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pytest_dgbudget.gateway.clock import Clock, Timer
from pytest_dgbudget.gateway.events import AllowanceExceeded, Events, SessionsCut
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.overruns import Overruns
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.ledger.facts import SessionFacts, TurnFacts, VendorLatencyFacts
from pytest_dgbudget.ledger.replays import is_beside_live, is_replay, mismatch_of
from pytest_dgbudget.model import (
    Attempt,
    Bypass,
    ClosedBy,
    Currency,
    GivenUpWait,
    Lease,
    MeasuredTurn,
    Mismatch,
    Overrun,
    Refusal,
    Replayed,
    UsageRecord,
    Violation,
)
from pytest_dgbudget.protocol.codes import BUDGET_USED_UP
from pytest_dgbudget.protocol.operations import BeginAttempt, CallEmulator
from pytest_dgbudget.rules.attempts import AttemptFigures, Forecast, attempt_figures, forecast_of
from pytest_dgbudget.rules.budget import describe, used_up_first
from pytest_dgbudget.rules.meter import LeaseMeter, money_lasts_ms
from pytest_dgbudget.units import known_sum

# What clients are refused for is told in the test's report; more says no more.
_MOST_REASONS = 20


class OpenLease:
    """A lease with its meter and its deadline. ``holders`` counts the clients that may open a session of it, or
    whose session is still to be recorded; ``unrecorded`` has these sessions.

    ``highest_price`` is that of a session of which nothing is known yet, in micro-dollars a minute.
    """

    def __init__(self, grant: Grant, lease: Lease, clock: Clock, events: Events, highest_price: int) -> None:
        self._highest_price = highest_price
        self._clock = clock
        self._events = events
        self.grant = grant
        self.lease = lease
        self._money_is_scarce = used_up_first(lease, highest_price) == "money"
        self.meter = LeaseMeter(allowance_ms=lease.allowance_ms, money_ms=self._money_ms())
        self.sessions: list[MeteredSession] = []
        self.holders = 0
        # Closed, and still to be recorded.
        self.unrecorded: list[MeteredSession] = []
        # What its recorded sessions cost.
        self.used_micro_usd = 0
        self._timers: list[Timer] = []

    def opened(self, session: MeteredSession) -> None:
        """Count a session from its dial on; one that comes after the cut is closed before it is dialled."""
        self.sessions.append(session)
        self.meter.opened(session.dialled_ms, session.rate)
        self._set_timers()
        if self.grant.spent.done():
            self._close_all(replace(self.grant.spent.result(), kind="cut"))

    def closed(self, session: MeteredSession, at_ms: int) -> None:
        """Count a session no longer: its socket is closed."""
        self.sessions.remove(session)
        self.unrecorded.append(session)
        self.meter.closed(at_ms, session.rate)
        self._set_timers()
        exceeded = self._exceeded()
        if exceeded is not None and not self.grant.spent.done():
            overrun = self.overrun("exceeded", exceeded)
            self._spend(overrun)
            self._events.emit(AllowanceExceeded(attempt=self.grant.attempt.id, overrun=overrun))

    def affords(self, session: MeteredSession, micro_usd_per_minute: int) -> bool:
        """Return whether a session may cost so much from now on without being cut at once."""
        others = [each.micro_usd_per_minute for each in self.sessions if each is not session]
        return self._lasts([*others, micro_usd_per_minute])

    def price_changed(self) -> None:
        """Count a session at its new price from now on, or from its dial on."""
        self._set_timers()

    def money_is_used_up(self) -> None:
        """Cut what is open: at the price that a session is about to have, its money is used up."""
        self._close_all(self.overrun("cut", "money"))

    def left_ms(self) -> int:
        """How much its sessions may still use together: of its time, or until its money is used up by what is open."""
        time_ms = self.lease.allowance_ms - self.used_ms()
        prices = self._prices() or [self._highest_price]
        money_ms = self._money_lasts_ms(prices)
        return time_ms if money_ms is None else min(time_ms, money_ms * len(prices))

    def used_ms(self) -> int:
        """What this lease has used up to now."""
        return self.meter.used_at(self._clock.now_ms())

    def micro_usd(self) -> int:
        """What its sessions cost up to now, in millionths of a dollar."""
        return self.used_micro_usd + sum(session.micro_usd() for session in (*self.sessions, *self.unrecorded))

    def lacks(self) -> Currency | None:
        """Return what one client more, at the highest price, would have all sessions cut for at once; None: nothing."""
        open_from_now = self.holders - len(self.unrecorded) + 1
        if self.meter.lasts_ms(self._clock.now_ms(), open_from_now) <= 0:
            return "time"
        waiting = open_from_now - len(self.sessions)
        return None if self._lasts([*self._prices(), *[self._highest_price] * waiting]) else "money"

    def overrun(self, kind: Literal["cut", "refused", "exceeded"], currency: Currency) -> Overrun:
        """Return what a session of this lease is cut or refused for, or what was used beyond it."""
        lease, money = self.lease, self.lease.money_limit
        if currency == "money" and money is not None:
            return Overrun(
                kind=kind,
                scope=money.scope,
                label=money.label,
                currency="money",
                used=money.allowed - lease.micro_usd + self.micro_usd(),
                allowed=money.allowed,
                also_used=self.used_ms(),
            )
        time = lease.time_limit
        return Overrun(
            kind=kind,
            scope=time.scope,
            label=time.label,
            used=time.allowed - lease.allowance_ms + self.used_ms(),
            allowed=time.allowed,
            also_used=None if money is None else self.micro_usd(),
        )

    def _exceeded(self) -> Currency | None:
        if self.used_ms() > self.lease.allowance_ms:
            return "time"
        return "money" if self._money_is_scarce and self.micro_usd() > self.lease.micro_usd else None

    def _money_ms(self) -> int | None:
        """How long all of its money lasts a session at the highest price; None: nothing is cut for its cost."""
        if self.lease.money_limit is None:
            return None
        return money_lasts_ms(self.lease.micro_usd, [self._highest_price])

    def _money_lasts_ms(self, prices: Sequence[int]) -> int | None:
        """How long its money lasts from now on at these prices; None: nothing is cut for its cost."""
        if self.lease.money_limit is None:
            return None
        return money_lasts_ms(self.lease.micro_usd - self.micro_usd(), prices)

    def _lasts(self, prices: Sequence[int]) -> bool:
        """Return whether its money lasts beyond the margin of the Close at these prices."""
        lasts_ms = self._money_lasts_ms(prices) if self._money_is_scarce else None
        return lasts_ms is None or lasts_ms > self.meter.margin_ms

    def _prices(self) -> list[int]:
        return [session.micro_usd_per_minute for session in self.sessions]

    def _ends_by(self, money_ends_ms: int | None) -> Currency:
        if money_ends_ms is None or not self._money_is_scarce:
            return "time"
        return "money" if money_ends_ms < self.meter.time_ends_ms() else "time"

    def _set_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        if not self.sessions:
            return
        lasts_ms = self._money_lasts_ms(self._prices())
        money_ends_ms = None if lasts_ms is None else self._clock.now_ms() + lasts_ms
        ends_by = self._ends_by(money_ends_ms)
        self._timers = [
            self._clock.call_at_ms(
                self.meter.deadline_ms(money_ends_ms), lambda: self._close_all(self.overrun("cut", ends_by))
            ),
            self._clock.call_at_ms(self.meter.abort_ms(money_ends_ms), self._abort_all),
        ]

    def _close_all(self, overrun: Overrun) -> None:
        to_client = Close(BUDGET_USED_UP, describe(overrun))
        cut = [session.cut(overrun, to_client) for session in list(self.sessions)]
        # Sessions that were ending already, only not yet closed, are no overrun.
        if any(cut) and not self.grant.spent.done():
            self._spend(overrun)
            self._events.emit(SessionsCut(attempt=self.grant.attempt.id, overrun=overrun))

    def _spend(self, overrun: Overrun) -> None:
        """Dial nothing more for this test."""
        self.grant.spent.set_result(overrun)
        self.grant.overruns.all.append(overrun)

    def _abort_all(self) -> None:
        for session in list(self.sessions):
            session.abort()


class Grant:
    """One test attempt's permission to spend, and what it was asked for with."""

    def __init__(self, attempt: Attempt, asked: BeginAttempt) -> None:
        self.attempt = attempt
        self.asked = asked
        self.token = ""
        self.lease: OpenLease | None = None
        # By whom, once it is over.
        self.ended: asyncio.Future[ClosedBy] = asyncio.get_running_loop().create_future()
        # The overrun by which this test has used up its budget: nothing is dialled for it any more.
        self.spent: asyncio.Future[Overrun] = asyncio.get_running_loop().create_future()
        self.settled_ms = 0
        self.settled_micro_usd: int | None = 0
        # What was charged in full because the gateway before this one died; such a test opens nothing more.
        self.lost_ms: int | None = None
        self.ended_sessions: dict[str, UsageRecord | SessionFacts] = {}
        # Of sessions that ended before a gateway that is gone, in the order of those.
        self.earlier_turns: Sequence[TurnFacts] = ()
        self.earlier_reports: Sequence[VendorLatencyFacts] = ()
        self.overruns = Overruns()
        self._refusals: dict[tuple[int, str, str], int] = {}
        self.bypasses: list[Bypass] = []
        self.waits_given_up: list[GivenUpWait] = []
        # What its report is to say besides, once each.
        self.notes: dict[str, None] = {}
        self.open_sessions: list[MeteredSession] = []
        # What its test has set at the emulator.
        self.emulator_calls: tuple[CallEmulator, ...] = ()

    @property
    def used_ms(self) -> int:
        """What this attempt has used up to now."""
        return self.settled_ms + (self.lease.used_ms() if self.lease else 0)

    @property
    def micro_usd(self) -> int | None:
        """What this attempt costs up to now, in millionths of a dollar; None where that is not known."""
        return known_sum([self.settled_micro_usd, self.lease.micro_usd() if self.lease else 0])

    def figures(self) -> AttemptFigures:
        """Return what a report of the test says of this attempt."""
        kinds = [overrun.kind for overrun in self.overruns.all]
        replays = [each for each in self.ended_sessions.values() if is_replay(each)]
        return attempt_figures(
            number=self.attempt.number,
            budget_ms=self.attempt.left_ms,
            used_ms=self.used_ms if self.lost_ms is None else None,
            micro_usd=self.micro_usd if self.lost_ms is None else None,
            cost_budget_micro_usd=self.attempt.cost_left_micro_usd,
            estimated=any(each.estimated for each in self._own()),
            forecast=self._forecast() if self.lost_ms is None else None,
            replays=replays,
            turns=self._turns() if self.lost_ms is None else None,
            vendor_latencies_ms=self._vendor_latencies_ms(),
            handshakes_ms=[
                *(each.handshake_ms for each in self._own()),
                *(each.handshake_ms for each in self.open_sessions if not each.is_beside_live),
            ],
            request_ids=[session.request_id for session in self._own()],
            cut="cut" in kinds,
            refused=self.overruns.refused,
        )

    def violations(self) -> list[tuple[str, str | None, Violation]]:
        """Return what its sessions broke of the protocol: the session, the vendor's id of it, and what it was.

        Not what sessions broke that ended in a gateway before this one.
        """
        ended = [(each.dial, each.request_id, found) for each in self._records() for found in each.violations]
        still_open = [(each.id, each.request_id, found) for each in self.open_sessions for found in each.violations]
        return ended + still_open

    def mismatches(self) -> tuple[Mismatch, ...]:
        """Return what clients did otherwise than the cassettes that their sessions are replayed from."""
        ended = (mismatch_of(each) for each in self.ended_sessions.values())
        still_open = (each.mismatch for each in self.open_sessions)
        return tuple(found for found in (*ended, *still_open) if found is not None)

    def replays(self) -> tuple[Replayed, ...]:
        """Return what has become of its replays up to now; not of those in a gateway before this one."""
        found = (*(each.replay for each in self._records()), *(each.replayed for each in self.open_sessions))
        return tuple(each for each in found if each is not None)

    async def turns_of(self, session: str | None) -> tuple[MeasuredTurn, ...]:
        """Return the turns that are answered or over, of one session or (None) of all."""
        of_open = [each for each in self.open_sessions if session in (None, each.id)]
        turns = [turn.measured for turn in self.earlier_turns if session in (None, turn.session)]
        turns += [turn for each in self._records() if session in (None, each.dial) for turn in each.turns]
        return (*turns, *[turn for each in of_open for turn in await each.turns()])

    def _forecast(self) -> Forecast | None:
        """What this attempt would have come to without skipping anything; None while a session is open."""
        return None if self.open_sessions else forecast_of(self._own())

    def _own(self) -> list[UsageRecord | SessionFacts]:
        """Return the sessions that are over, without replays beside live ones: these count by themselves."""
        return [each for each in self.ended_sessions.values() if not is_beside_live(each, self.attempt)]

    def _turns(self) -> list[TurnFacts | MeasuredTurn]:
        own = {each.dial if isinstance(each, UsageRecord) else each.id for each in self._own()}
        earlier = [turn for turn in self.earlier_turns if turn.session in own]
        return [*earlier, *(turn for record in self._records() if record.dial in own for turn in record.turns)]

    def _vendor_latencies_ms(self) -> list[int] | None:
        """The totals of the vendor's LatencyReports; None where nobody noted those of a session."""
        own = {each.dial if isinstance(each, UsageRecord) else each.id for each in self._own()}
        earlier = [report.ms for report in self.earlier_reports if report.session in own]
        latest = [ms for record in self._records() if record.dial in own for ms in record.vendor_latencies_ms]
        return [*earlier, *latest] if all(each.vendor_reports is not None for each in self._own()) else None

    def _records(self) -> list[UsageRecord]:
        """What became of the sessions that ended in this gateway."""
        return [each for each in self.ended_sessions.values() if isinstance(each, UsageRecord)]

    def note_refusal(self, status: int, code: str, reason: str) -> None:
        """Keep why a client of this test was refused; the same reason again is counted."""
        known = (status, code, reason)
        if known in self._refusals or len(self._refusals) < _MOST_REASONS:
            self._refusals[known] = self._refusals.get(known, 0) + 1

    def refusals(self) -> tuple[Refusal, ...]:
        """Return what clients of this test were refused for, the first one first."""
        return tuple(
            Refusal(status=status, code=code, reason=reason, times=times)
            for (status, code, reason), times in self._refusals.items()
        )

    def session_used_ms(self, session: str) -> int:
        """What one session has used up to now; 0 for an id that isn't one of ours."""
        record = self.ended_sessions.get(session)
        if record is not None:
            return record.ms or 0
        return sum(s.used_ms() for s in self.open_sessions if s.id == session)

    def session_micro_usd(self, session: str) -> int | None:
        """What one session costs up to now; None where that is not known, 0 for an id that isn't one of ours."""
        record = self.ended_sessions.get(session)
        if record is not None:
            return record.micro_usd
        return sum(s.micro_usd() for s in self.open_sessions if s.id == session)

    def leaked(self) -> int:
        """Count the sessions that opened and that the end of the test had to close."""
        ended = self.ended_sessions.values()
        return sum(each.closed_by == "teardown" and each.handshake_ms is not None for each in ended)

    @property
    def idle_closes(self) -> int:
        return sum(each.closed_by == "idle" for each in self.ended_sessions.values())

    def had_clients(self) -> bool:
        """Return whether anybody came with a token that means this test."""
        return bool(self.ended_sessions or self.open_sessions or self.overruns.refused or self._refusals)

    def session_ended(self, session: MeteredSession, record: UsageRecord) -> None:
        """Keep the record of a session in place of the session."""
        self.open_sessions.remove(session)
        self.ended_sessions[record.dial] = record

    def close_sessions(self, closed_by: ClosedBy, to_client: Close) -> None:
        for session in list(self.open_sessions):
            session.close(closed_by, to_client)

    async def all_closed(self) -> None:
        """Return when every session of this grant is closed and recorded."""
        while self.open_sessions:
            await asyncio.wait([session.done for session in self.open_sessions])
