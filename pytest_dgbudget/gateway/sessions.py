"""The life of one session: dial, relay, close, record. What it used is written once, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.events import (
    Events,
    MessageSkipped,
    SessionDialled,
    SessionEnded,
    SessionEvent,
    SessionOpened,
    SessionWelcomed,
    TierChanged,
    described,
)
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.idle_watch import IdleWatch
from pytest_dgbudget.gateway.relay import Relay
from pytest_dgbudget.gateway.services.service import AskSkipped, SessionContext
from pytest_dgbudget.gateway.session_parts import SessionParts
from pytest_dgbudget.gateway.session_terms import SessionTerms
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import DialFailed, Upstream
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.model import ClosedBy, MeasuredTurn, Mismatch, Overrun, Replayed, Stall, UsageRecord, Violation
from pytest_dgbudget.protocol.codes import TEST_OVER
from pytest_dgbudget.rules.attempts import CUT_BY, was_cut
from pytest_dgbudget.rules.prices import cost_micro_usd

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import SessionRecording

_OTHER_SIGNS_MS = 100
_NORMAL = 1000  # RFC 6455, section 7.4.1
# Who closes a session that could have gone on as it was meant to.
_OF_THE_SESSION = frozenset({"client", "server"})


class SessionState(Enum):
    """``CUT``: closed from our side before it could be relayed. ``ENDED``: its socket is closed, its usage recorded."""

    DIALLING = "dialling"
    CUT = "cut"
    RELAYING = "relaying"
    ENDED = "ended"


class Cut(Exception):
    """The session was closed while it was being dialled."""

    def __init__(self, closed_by: ClosedBy, to_client: Close) -> None:
        super().__init__(closed_by)
        self.closed_by = closed_by
        self.to_client = to_client


class Funds(Protocol):
    """What a session spends: its lease."""

    def affords(self, session: MeteredSession, micro_usd_per_minute: int) -> bool:
        """Return whether a session may cost so much from now on."""
        ...

    def price_changed(self) -> None:
        """Take in that a session costs more or less."""
        ...

    def money_is_used_up(self) -> None:
        """Cut what is open."""
        ...

    def closed(self, session: MeteredSession, at_ms: int) -> None:
        """Take in, once, that a session's socket is closed, at an instant on the metering clock (milliseconds)."""
        ...


class NoFunds:
    """What a replay spends."""

    def affords(self, session: MeteredSession, micro_usd_per_minute: int) -> bool:
        return True

    def price_changed(self) -> None:
        """It costs nothing at any price."""

    def money_is_used_up(self) -> None:
        """It uses none."""

    def closed(self, session: MeteredSession, at_ms: int) -> None:
        """Nothing was set aside for it."""


class MeteredSession:
    """One dialled session, metered from now on.

    ``welcomed`` is called with the vendor's id of it, ``ended`` once, when its socket is closed, with its usage record.
    """

    def __init__(
        self,
        terms: SessionTerms,
        clock: Clock,
        events: Events,
        *,
        funds: Funds,
        welcomed: Callable[[MeteredSession, str], None],
        ended: Callable[[MeteredSession, UsageRecord], None],
    ) -> None:
        self.id = terms.id
        self.client = terms.client
        self.run_key = terms.run_key
        self.rate = terms.service.rate if terms.replay is None else 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.handshake_ms: int | None = None
        self.dialled_ms = clock.now_ms()
        self.state = SessionState.DIALLING
        self._terms = terms
        self._clock = clock
        self._events = events
        self._welcomed = welcomed
        self._funds = funds
        self._ended = ended
        self._closed_at_ms: int | None = None
        self._dialling: asyncio.Future[Upstream] | None = None
        self._cut: Cut | None = None
        self._overrun: Overrun | None = None
        self._relay: Relay | None = None
        self._handshake_id: str | None = None
        self._idle_watch: IdleWatch | None = None
        self._parts = SessionParts(terms.prices)
        self._recording: SessionRecording | None = None
        self._ending: asyncio.Future[None] | None = None
        self._dialled_at = datetime.now(timezone.utc)
        # What a recording begins with, which begins when there is something to record.
        self._early: list[SessionEvent] = []
        self._emit(SessionDialled(attempt=terms.attempt, session=terms.id, replayed=self.is_replayed))

    def used_ms(self) -> int:
        """What this session has used up to now."""
        at_ms = self._clock.now_ms() if self._closed_at_ms is None else self._closed_at_ms
        return (at_ms - self.dialled_ms) * self.rate

    async def dial(self, dialling: asyncio.Future[Upstream]) -> Upstream:
        """Wait for the vendor's 101; raises DialFailed, or Cut when the session is closed meanwhile."""
        self._dialling = dialling
        if self._cut is not None:
            dialling.cancel()
        try:
            upstream = await dialling
        except asyncio.CancelledError:
            if self._cut is None:
                raise
            self._write_end(self._cut.closed_by, confirmed=True)
            raise self._cut from None
        except DialFailed as failed:
            self._write_end(failed.closed_by, confirmed=True, reason=failed.why())
            raise
        except BaseException:
            self._write_end("network", confirmed=True)
            raise
        self.handshake_ms = self._clock.now_ms() - self.dialled_ms
        self._handshake_id = self._terms.service.handshake_id(upstream.headers)
        self._emit(SessionOpened(session=self.id, handshake_ms=self.handshake_ms))
        return upstream

    def drop(self, upstream: Upstream) -> None:
        """Close what was dialled and can't be relayed."""
        upstream.transport.abort()
        if self._relay is None:  # else it sees that its vendor is lost
            self._write_end("network", confirmed=False)

    def relay(self, client: asyncio.Transport, upstream: Upstream, from_client: bytes) -> None:
        """Join client and vendor from here on; where that fails, nobody could cut what was dialled."""
        try:
            self._join(client, upstream, from_client)
        except BaseException:
            self.drop(upstream)
            raise

    def _join(self, client: asyncio.Transport, upstream: Upstream, from_client: bytes) -> None:
        inspection = self._terms.service.inspect(self._context())
        self.state = SessionState.RELAYING
        self._recording = self._begin_recording(upstream.secrets)
        self._relay = relay = Relay(
            client,
            upstream,
            inspection,
            self._relay_ended,
            self._clock,
            self._was_skipped,
            self._recording,
            self._funds.money_is_used_up,
        )
        relay.start(from_client)
        if self._cut is not None:
            relay.close(self._cut.closed_by, self._cut.to_client)
        if self._terms.idle_ms is not None:
            self._idle_watch = IdleWatch(relay, self._clock, self._terms.idle_ms)

    def close(self, closed_by: ClosedBy, to_client: Close) -> bool:
        """End the session from our side, in whatever state it is; False when it was ending already."""
        if self.client is not None and to_client.code == TEST_OVER:
            to_client = Close(_NORMAL, to_client.reason)
        if self._relay is not None:
            return self._relay.close(closed_by, to_client)
        if self.state is not SessionState.DIALLING:
            return False
        self.state = SessionState.CUT
        self._cut = Cut(closed_by, to_client)
        if self._dialling is not None:
            self._dialling.cancel()
        return True

    def cut(self, overrun: Overrun, to_client: Close) -> bool:
        """Close the session for a budget; False when it was ending already."""
        if not self.close(CUT_BY[overrun.scope], to_client):
            return False
        self._overrun = overrun
        return True

    def abort(self) -> None:
        if self._relay is not None:
            self._relay.abort()

    @property
    def is_ending(self) -> bool:
        """Whether it is over, but for what is still asked about it."""
        return self._ending is not None and not self.done.done()

    @property
    def is_replayed(self) -> bool:
        """Whether a cassette plays it, and nothing was dialled."""
        return self._terms.replay is not None

    @property
    def replayed(self) -> Replayed | None:
        """What has become of its replay up to now; None where it was dialled."""
        return None if self._terms.replay is None else self._terms.replay.replayed

    @property
    def is_beside_live(self) -> bool:
        """Whether it is replayed in a run that dials what has no cassette."""
        return self.replayed is not None and self.replayed.beside_live

    @property
    def mismatch(self) -> Mismatch | None:
        """What its client did otherwise than the cassette that it is replayed from, up to now."""
        return None if self._terms.replay is None else self._terms.replay.mismatch

    @property
    def violations(self) -> Sequence[Violation]:
        """What its messages broke of the protocol up to now."""
        return self._parts.violations

    async def turns(self) -> tuple[MeasuredTurn, ...]:
        """Return the turns that are answered or over, once the user's audio in them is read."""
        while self._relay is not None and self._relay.inspection.is_reading:  # noqa: ASYNC110 - it goes on by itself
            await asyncio.sleep(0)
        return tuple(self._parts.turns)

    @property
    def awaits_answer(self) -> bool:
        """Whether a turn waits for its answer."""
        return self._relay is not None and self._relay.inspection.awaits_answer

    @property
    def stalls(self) -> Sequence[Stall]:
        """Where one side waited for the other, up to now."""
        return self._parts.stalls

    @property
    def request_id(self) -> str | None:
        """The vendor's id of it; that of the handshake until the Welcome has come."""
        return (self._relay.inspection.request_id if self._relay else None) or self._handshake_id

    def micro_usd(self) -> int:
        """What this session costs up to now, in millionths of a dollar."""
        return self._parts.micro_usd(self.used_ms())

    @property
    def micro_usd_per_minute(self) -> int:
        """What this session costs by now."""
        return self._parts.micro_usd_per_minute

    def _context(self) -> SessionContext:
        return SessionContext(
            session=self.id,
            dialled_ms=self.dialled_ms,
            tag=self._terms.tag,
            prices=self._terms.prices,
            audio_memory=self._terms.audio_memory,
            clock=self._clock,
            emit=self._emit,
            affords=self._affords,
        )

    def _affords(self, micro_usd_per_minute: int) -> bool:
        return self._funds.affords(self, self._parts.price_after(micro_usd_per_minute))

    def _begin_recording(self, secrets: Secrets) -> SessionRecording | None:
        recordings = self._terms.recordings
        if recordings is None:
            return None
        recording = recordings.begin(self._terms.attempt, self.id, self._dialled_at, self.dialled_ms, secrets.texts())
        for event in self._early:
            recording.happened(*described(event))
        return recording

    def _emit(self, event: SessionEvent) -> None:
        self._parts.note(event)
        if self._recording is not None:
            self._recording.happened(*described(event))
        elif self._relay is None:
            self._early.append(event)
        self._events.emit(event)
        if isinstance(event, SessionWelcomed):
            self._welcomed(self, event.request_id)
        elif isinstance(event, TierChanged):
            self._funds.price_changed()

    def _was_skipped(self, size: int) -> None:
        self._emit(MessageSkipped(session=self.id, at_ms=self._clock.now_ms() - self.dialled_ms, bytes=size))

    def _relay_ended(self, relay: Relay) -> None:
        assert relay.closed_at_ms is not None
        self._stop_metering(relay.closed_at_ms)
        relay.inspection.ended(cut=relay.closed_by not in _OF_THE_SESSION)
        if relay.client_vanished:
            # The first sign, perhaps, that its whole process is gone: let the others come before the cause is written.
            self._clock.call_at_ms(self._clock.now_ms() + _OTHER_SIGNS_MS, lambda: self._record(relay))
        else:
            self._record(relay)

    def _record(self, relay: Relay) -> None:
        assert relay.closed_by is not None
        if self._terms.replay is not None:
            self._terms.replay.ended(relay.closed_by)
        if relay.inspection.is_reading:
            self._clock.call_soon(lambda: self._record(relay))
            return
        if self._terms.ask_skipped is None or was_cut(relay.closed_by):
            self._finish(relay)
        else:
            self._ending = asyncio.ensure_future(self._finish_with_skipped(relay, self._terms.ask_skipped))

    async def _finish_with_skipped(self, relay: Relay, ask_skipped: AskSkipped) -> None:
        request_id = self._handshake_id or relay.inspection.request_id
        self._finish(relay, skipped_ms=None if request_id is None else await ask_skipped(request_id))

    def _finish(self, relay: Relay, *, skipped_ms: int | None = None) -> None:
        assert relay.closed_by is not None
        self._write_end(relay.closed_by, confirmed=relay.confirmed, skipped_ms=skipped_ms)

    def _stop_metering(self, at_ms: int) -> None:
        self._closed_at_ms = at_ms
        self._funds.closed(self, at_ms)

    def _write_end(
        self, closed_by: ClosedBy, *, confirmed: bool, reason: str | None = None, skipped_ms: int | None = None
    ) -> None:
        self.state = SessionState.ENDED
        if self._idle_watch is not None:
            self._idle_watch.stop()
        relay, replay = self._relay, self._terms.replay
        if relay is None:
            self._stop_metering(self._clock.now_ms())
        if replay is not None:
            replay.ended(closed_by)
            # One that did not match has saved nothing: nobody knows how it would have gone on.
            skipped_ms = replay.replayed_ms if replay.mismatch is None else 0
        audio_in_ms, audio_out_ms = relay.audio_ms() if relay else (0, 0)
        used_ms = self.used_ms()
        spans = self._parts.tier_spans(used_ms)
        is_emulated = self._terms.ask_skipped is not None
        cut = is_emulated and was_cut(closed_by)
        if is_emulated and (cut or relay is None):
            skipped_ms = 0  # live it would have been cut as well; without a relay nothing was said yet
        forecast_ms = None if skipped_ms is None else used_ms + skipped_ms
        record = UsageRecord(
            dial=self.id,
            # Without a Welcome, the handshake's id is the best there is.
            request_id=self.request_id,
            closed_at=utc_now(),
            ms=used_ms,
            handshake_ms=self.handshake_ms,
            audio_in_ms=audio_in_ms,
            audio_out_ms=audio_out_ms,
            closed_by=closed_by,
            close_code=relay.close_code if relay else None,
            confirmed=confirmed,
            tagged=relay is not None and relay.inspection.tagged,
            reason=reason,
            closing_ms=relay.closing_ms if relay else None,
            tier=spans[-1].tier,
            micro_usd=cost_micro_usd(spans),
            estimated=any(span.estimated for span in spans),
            greeting_ms=self._parts.greeting_ms,
            skipped_ms=skipped_ms,
            forecast_micro_usd=None if forecast_ms is None else self._parts.micro_usd(forecast_ms),
            forecast_cut=cut,
            tier_spans=spans,
            turns=tuple(self._parts.turns),
            violations=tuple(self._parts.violations),
            vendor_latencies_ms=tuple(self._parts.vendor_latencies_ms),
            overrun=self._overrun,
            replay=None if replay is None else replay.replayed,
        )
        assert self._closed_at_ms is not None
        at_ms = self._closed_at_ms - self.dialled_ms
        self._emit(SessionEnded(attempt=self._terms.attempt, session=self.id, at_ms=at_ms, usage=record))
        if self._recording is not None and relay is not None:
            self._recording.ended(relay.close_reason)
        self._ended(self, record)
        self.done.set_result(None)
