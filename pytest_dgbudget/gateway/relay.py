"""One open session: bytes between a client and the vendor, and how it ends.

Bytes pass as they came, except for the message that gains the run's tag. Whatever ends the session, the vendor gets a
clean Close 1000, and its side is aborted when it does not answer in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.clock import Clock, Timer
from pytest_dgbudget.gateway.frames import (
    INVALID_DATA,
    TEXT,
    Close,
    FrameReader,
    broken_rule,
    close_frame,
    frame,
)
from pytest_dgbudget.gateway.leg import Leg, reset_on_close
from pytest_dgbudget.gateway.relay_states import ClientState, RelayState
from pytest_dgbudget.gateway.services.service import Inspection, MessageNotAfforded
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.protocol.codes import BUDGET_USED_UP, UPSTREAM_LOST

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import SessionRecording

# How long either side may take to answer a Close.
CLOSE_MS = 1000
# Five times the longest prompt that the vendor's own models take. To read as much takes milliseconds.
LONGEST_SETTINGS = 128 * 1024


# Looked at for every read, and a member of an Enum costs a call on Python 3.10.
_OPEN, _FINISHING_FRAME = RelayState.OPEN, RelayState.FINISHING_FRAME


class Relay:
    """Joins two transports. ``ended`` is called once, when the vendor's socket is closed.

    What passes is handed to ``recording``, if there is one. ``skipped`` is called with the size of a message before
    Settings, or of Settings, that is too long to be read. ``not_afforded`` is called when a client's message is kept
    back for the price that it brings: it closes the session.

    From the end on, ``closed_by``, ``close_code`` and ``close_reason`` say how it began, and ``ending_at_ms`` when.
    Once CLOSED, ``closed_at_ms`` is the instant on the metering clock, and ``confirmed`` is False where the vendor did
    not answer and was aborted.
    """

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: Upstream,
        inspection: Inspection,
        ended: Callable[[Relay], None],
        clock: Clock,
        skipped: Callable[[int], None] = lambda size: None,
        recording: SessionRecording | None = None,
        not_afforded: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._recording = recording
        self.inspection = inspection
        self._ended = ended
        self._skipped = skipped
        self._not_afforded = not_afforded
        # A message was kept back for the price that it brings.
        self._has_refused = False
        self._from_client = FrameReader(
            self._client_text,
            holding=True,
            hold_up_to=LONGEST_SETTINGS,
            skipped=self._client_text_skipped,
            broken_rule=broken_rule,
        )
        self._from_vendor = FrameReader(self._vendor_text, holding=False)
        # How much of each side's audio came after the end.
        self._unpassed_in = self._unpassed_out = 0
        # How much of the vendor's audio the inspection has been told of.
        self._told_bytes = self._told_frames = 0
        self._client = Leg(self._client_sent, self._client_lost)
        self._vendor = Leg(self._vendor_sent, self._vendor_lost)
        self._client.other, self._vendor.other = self._vendor, self._client
        self.state = RelayState.OPEN
        self.client_state = ClientState.OPEN
        self.closed_by: ClosedBy | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.ending_at_ms: int | None = None
        self.closed_at_ms: int | None = None
        self.confirmed = True
        self._timers: list[Timer] = []
        self._upstream = upstream
        self._secrets = upstream.secrets
        self._kept = b""
        self._client_transport, self._vendor_transport = client, upstream.transport

    def start(self, from_client: bytes) -> None:
        """Take over both transports with what they had received already; either may be lost already, too."""
        for leg, transport in ((self._client, self._client_transport), (self._vendor, self._vendor_transport)):
            leg.connection_made(transport)
            transport.set_protocol(leg)
        if self._upstream.rest:
            self._vendor_sent(self._upstream.rest)
        if from_client:
            self._client_sent(from_client)
        if self._upstream.was_lost:
            self._vendor_lost()
        elif self._client_transport.is_closing():
            self._client_lost()

    @property
    def client_vanished(self) -> bool:
        """True when the client's connection ended without a Close, and nobody knows of another cause."""
        return self.closed_by == "client" and self.close_code is None

    @property
    def _takes_no_more(self) -> bool:
        return self.state is not _OPEN and self.state is not _FINISHING_FRAME

    @property
    def closing_ms(self) -> int | None:
        """How long the end took; None before it is over."""
        if self.ending_at_ms is None or self.closed_at_ms is None:
            return None
        return self.closed_at_ms - self.ending_at_ms

    def audio_ms(self) -> tuple[int | None, int | None]:
        """How long what passed in and out plays; None where that can't be known."""
        return self.inspection.audio_ms(
            in_bytes=self._from_client.binary_bytes - self._unpassed_in,
            out_bytes=self._from_vendor.binary_bytes - self._unpassed_out,
        )

    def close(self, closed_by: ClosedBy, to_client: Close) -> bool:
        """Begin the end: Close to both sides now, the vendor's answer within CLOSE_MS.

        False when the end had begun already.
        """
        if self.state is not RelayState.OPEN:
            if self.client_vanished and closed_by == "owner-lost":
                # The client went because its whole process did.
                self.closed_by = closed_by
            return False
        # The client's first: it may pause the vendor, and _begin_end makes it read on.
        self._send_close_to_client(to_client)
        self._begin_end(closed_by, to_client)
        return True

    def abort(self) -> None:
        """The vendor took too long, or the allowance is about to end: close our socket now.

        With a reset, which arrives at once; a FIN would wait for a vendor that reads nothing.
        """
        if self.state is not RelayState.CLOSED:
            self.confirmed = False
            reset_on_close(self._vendor_transport)
            self._vendor_transport.abort()

    def _begin_end(self, closed_by: ClosedBy, close: Close | None) -> None:
        self.closed_by = closed_by
        if close is not None:
            self.close_code, self.close_reason = close.code, close.reason
        self.ending_at_ms = self._clock.now_ms()
        self.inspection.closing()
        self._abort_later(self.abort)
        # A client that stopped reading must not keep the vendor's answer from being read.
        self._vendor_transport.resume_reading()
        if self._from_client.inside_frame:
            self.state = RelayState.FINISHING_FRAME
        else:
            self._send_close_to_vendor()

    def _abort_later(self, abort: Callable[[], None]) -> None:
        self._timers.append(self._clock.call_at_ms(self._clock.now_ms() + CLOSE_MS, abort))

    def _send_close_to_vendor(self) -> None:
        self.state = RelayState.CLOSING
        self._vendor_transport.write(close_frame(Close(1000, ""), mask=True))

    def _send_close_to_client(self, close: Close) -> None:
        if self.client_state is not ClientState.OPEN:
            return
        self.client_state = ClientState.CLOSING
        self._abort_later(self._client_transport.abort)
        if self._from_vendor.inside_frame:
            self._client_transport.abort()
        else:
            self._client_transport.write(close_frame(close, mask=False))

    def _client_sent(self, data: bytes) -> None:
        if self.state is not _OPEN and self.state is not _FINISHING_FRAME:
            self._read_client_answer(data)
            return
        reader = self._from_client
        rest, bytes_before, frames_before = reader.remaining, reader.binary_bytes, reader.binary_frames
        passed = reader.feed(data)
        if passed:
            chunk = Chunk(self._clock.now_ms(), passed, rest)
            if reader.binary_bytes != bytes_before:
                self.inspection.client_audio(chunk)
                self._gather(reader.binary_frames - frames_before)
            if self._recording is not None:
                self._recording.client_sent(chunk)
            self._vendor_transport.write(passed)
        if self.state is _FINISHING_FRAME:
            if not self._from_client.inside_frame:
                self._send_close_to_vendor()
        elif self._from_client.close is not None:
            self._begin_end("client", self._from_client.close)
        elif self._has_refused:
            self._not_afforded()
        elif self._from_client.violation is not None:
            self.close("client", self._from_client.violation)

    def _gather(self, frames: int) -> None:
        if frames > 1:
            self._clock.gather()

    def _read_client_answer(self, data: bytes) -> None:
        """Look for the client's Close: nothing else that it says passes any more, or counts."""
        bytes_before = self._from_client.binary_bytes
        self._from_client.feed(data)
        self._unpassed_in += self._from_client.binary_bytes - bytes_before
        if self._from_client.close is not None and self.client_state is ClientState.CLOSING:
            self._client_transport.close()

    def _vendor_sent(self, data: bytes) -> None:
        rest, frames_before = self._from_vendor.remaining, self._from_vendor.binary_frames
        bytes_before = self._from_vendor.binary_bytes
        passed = self._from_vendor.feed(data)
        if self.state is not _OPEN:
            self._unpassed_out += self._from_vendor.binary_bytes - bytes_before
        self._tell_audio()
        self._gather(self._from_vendor.binary_frames - frames_before)
        if passed and self.state is _OPEN:
            kept = len(self._kept)
            passed = self._without_secrets(passed)
            if self._recording is not None:
                self._recording.vendor_sent(Chunk(self._clock.now_ms(), passed, rest + kept if rest else 0))
            self._client_transport.write(passed)
        close = self._from_vendor.close
        if close is not None:
            self._vendor_closed(Close(close.code, self._secrets.hide(close.reason)))

    def _tell_audio(self) -> None:
        """Tell the inspection of audio before it is told of the text that came after it."""
        reader = self._from_vendor
        size, frames = reader.binary_bytes - self._told_bytes, reader.binary_frames - self._told_frames
        if size:
            self._told_bytes, self._told_frames = reader.binary_bytes, reader.binary_frames
            self.inspection.vendor_audio(frames, size)

    def _without_secrets(self, passed: bytes) -> bytes:
        """Blank what the vendor repeats; of a long frame, the end that may begin a secret is kept until more comes."""
        if self._kept:
            passed = self._kept + passed
        passed = self._secrets.blank(passed)
        keep = self._secrets.begins_at_end_of(passed) if self._from_vendor.inside_frame else 0
        self._kept = passed[len(passed) - keep :]
        return passed[: len(passed) - keep]

    def _vendor_closed(self, close: Close) -> None:
        if self.state is RelayState.OPEN:
            self._begin_end("server", close)
            self._send_close_to_client(close)
        self._vendor_transport.close()

    def _vendor_lost(self) -> None:
        was_open = self.state is RelayState.OPEN
        self.state = RelayState.CLOSED
        self.closed_at_ms = self._clock.now_ms()
        if was_open:
            self.closed_by = "network"
            self.ending_at_ms = self.closed_at_ms
            self._send_close_to_client(Close(UPSTREAM_LOST, "the vendor's connection was lost"))
        elif self.closed_by == "client" and self._from_client.close is not None:
            self._send_close_to_client(self._from_client.close)
            self._client_transport.close()
        self._ended(self)
        self._let_go()

    def _let_go(self) -> None:
        """Once both sides are closed, no timer keeps this alive any longer."""
        if self.state is RelayState.CLOSED and self.client_state is ClientState.GONE:
            for timer in self._timers:
                timer.cancel()

    def _client_lost(self) -> None:
        self.client_state = ClientState.GONE
        self._let_go()
        if self.state is RelayState.OPEN:
            self._begin_end("client", None)

    def _client_text(self, text: bytes) -> bytes | None:
        if self._takes_no_more:
            return b""
        if not self.inspection.configured and not _is_utf8(text):
            self._from_client.violation = Close(INVALID_DATA, "a text message is not UTF-8")
            return b""
        try:
            said = self.inspection.client_said(text)
        except MessageNotAfforded:
            self._refuse()
            return b""
        if self.inspection.configured:
            self._from_client.broken_rule = None
        return None if said == text else frame(TEXT, said, mask=True)

    def _client_text_skipped(self, size: int) -> None:
        if self._takes_no_more:
            return
        if not self.inspection.configured:
            self._skipped(size)
        try:
            self.inspection.client_said_too_much()
        except MessageNotAfforded:
            self._refuse()

    def _refuse(self) -> None:
        """Take nothing more from the client: what came before its message passes first, then the session is closed."""
        self._has_refused = True
        self._from_client.violation = Close(BUDGET_USED_UP, "")

    def _vendor_text(self, text: bytes) -> None:
        self._tell_audio()
        self.inspection.vendor_said(self._secrets.blank(text))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
