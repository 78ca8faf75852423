"""The life of one session: dial, relay, close, record. What it used is written once, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_dgbudget.gateway.clock import loop_time, now_ms
from pytest_dgbudget.gateway.frames import Close
from pytest_dgbudget.gateway.relay import Relay
from pytest_dgbudget.gateway.services.deepgram_agent import Conversation
from pytest_dgbudget.gateway.upstream import DialFailed, Upstream
from pytest_dgbudget.model import ClosedBy, UsageRecord, utc_now
from pytest_dgbudget.protocol.codes import IDLE
from pytest_dgbudget.units import format_time

_OTHER_SIGNS_SECONDS = 0.1


class Cut(Exception):
    """The session was closed while it was being dialled."""

    def __init__(self, closed_by: ClosedBy, to_client: Close) -> None:
        super().__init__(closed_by)
        self.closed_by = closed_by
        self.to_client = to_client


class MeteredSession:
    """One dialled session, metered from now on. ``ended`` is called once, when its socket is closed.

    It is given the session, its usage record, and the instant of the end on the metering clock (milliseconds).
    ``idle_ms``: a session in which nothing but keep-alives moved for this long is closed; None is off.
    """

    def __init__(
        self, id_: str, *, idle_ms: int | None, ended: Callable[[MeteredSession, UsageRecord, int], None]
    ) -> None:
        self.id = id_
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.handshake_ms: int | None = None
        self.dialled_ms = now_ms()
        self._idle_ms = idle_ms
        self._ended = ended
        self._dialling: asyncio.Future[Upstream] | None = None
        self._cut: Cut | None = None
        self._relay: Relay | None = None
        self._handshake_id: str | None = None

    def used_ms(self) -> int:
        """What this session has used up to now."""
        return now_ms() - self.dialled_ms

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
            self._finish(now_ms(), self._cut.closed_by, None, confirmed=True)
            raise self._cut from None
        except DialFailed as failed:
            self._finish(now_ms(), failed.closed_by, None, confirmed=True)
            raise
        except BaseException:
            self._finish(now_ms(), "network", None, confirmed=True)
            raise
        self.handshake_ms = now_ms() - self.dialled_ms
        self._handshake_id = upstream.request_id
        return upstream

    def drop(self, upstream: Upstream) -> None:
        """Close what was dialled and can't be relayed."""
        upstream.transport.abort()
        self._finish(now_ms(), "network", None, confirmed=False)

    def relay(
        self, client: asyncio.Transport, upstream: Upstream, conversation: Conversation, from_client: bytes
    ) -> None:
        """Join client and vendor from here on."""
        self._relay = Relay(client, upstream, conversation, self._relay_ended)
        self._relay.start(from_client)
        if self._cut is not None:
            self._relay.close(self._cut.closed_by, self._cut.to_client)
        if self._idle_ms is not None:
            self._watch_idle(self._idle_ms)

    def close(self, closed_by: ClosedBy, to_client: Close) -> bool:
        """End the session from our side, in whatever state it is; False when it was ending already."""
        if self._relay is not None:
            return self._relay.close(closed_by, to_client)
        if self._cut is not None:
            return False
        self._cut = Cut(closed_by, to_client)
        if self._dialling is not None:
            self._dialling.cancel()
        return True

    def abort(self) -> None:
        if self._relay is not None:
            self._relay.abort()

    def _watch_idle(self, idle_ms: int) -> None:
        relay = self._relay
        if relay is None or relay.closed_by is not None:
            return
        conversation = relay.conversation
        if conversation.waits_for_client:
            conversation.moved()
        closes_at_ms = conversation.last_moved_ms + idle_ms
        if closes_at_ms <= now_ms():
            reason = f"nothing but keep-alives for {format_time(idle_ms)}; close it or raise --dg-idle-timeout"
            relay.close("idle", Close(IDLE, reason))
        else:
            asyncio.get_running_loop().call_at(loop_time(closes_at_ms), self._watch_idle, idle_ms)

    def _relay_ended(self) -> None:
        if self._relay is not None and self._relay.client_vanished:
            # The first sign, perhaps, that its whole process is gone: let the others come before the cause is written.
            asyncio.get_running_loop().call_later(_OTHER_SIGNS_SECONDS, self._record)
        else:
            self._record()

    def _record(self) -> None:
        relay = self._relay
        if relay is not None and relay.closed_by is not None and relay.closed_at_ms is not None:
            self._finish(relay.closed_at_ms, relay.closed_by, relay.close_code, confirmed=relay.confirmed)

    def _finish(self, at_ms: int, closed_by: ClosedBy, close_code: int | None, *, confirmed: bool) -> None:
        relay = self._relay
        record = UsageRecord(
            dial=self.id,
            # Without a Welcome, the handshake's id is the best there is.
            request_id=(relay.conversation.request_id if relay else None) or self._handshake_id,
            closed_at=utc_now(),
            ms=at_ms - self.dialled_ms,
            handshake_ms=self.handshake_ms,
            audio_in_ms=relay.conversation.audio_in.milliseconds(relay.audio_in_bytes) if relay else 0,
            audio_out_ms=relay.conversation.audio_out.milliseconds(relay.audio_out_bytes) if relay else 0,
            closed_by=closed_by,
            close_code=close_code,
            confirmed=confirmed,
            tagged=relay is not None and relay.conversation.tagged,
        )
        self._ended(self, record, at_ms)
        self.done.set_result(None)
