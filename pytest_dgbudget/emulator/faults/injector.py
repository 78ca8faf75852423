"""One session's messages in both directions, and the faults that are injected into them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.protocol import OPEN

from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.codes import AUDIO
from pytest_dgbudget.emulator.faults.grants import Grant
from pytest_dgbudget.emulator.faults.kinds import Fault
from pytest_dgbudget.emulator.faults.timers import FaultTimers, FaultyConnection
from pytest_dgbudget.emulator.journal import TO_CLIENT, TO_SERVER, SessionJournal

_OURS = re.compile(r'\{"type": "([^"]*)"')  # as MessageWriter writes them


class FaultInjector:
    """Passes messages between a conversation and its connection, with faults and a journal."""

    # Of the session, once they are known.
    behavior: Behavior
    write_given: Callable[[Mapping[str, Any] | bytes], Awaitable[None]]
    hear_out: Callable[[], None]

    def __init__(
        self,
        connection: FaultyConnection,
        grant: Grant,
        scripted: tuple[Fault, ...],
        journal: SessionJournal,
        *,
        request_id: str,
    ) -> None:
        self.request_id = request_id
        self.journal = journal
        self._connection = connection
        self._grant = grant
        self._scripted = scripted
        self._timers = FaultTimers(connection, self._note_fault)
        self._held: list[str | bytes] = []
        self._order = asyncio.Lock()
        self._sending = 0
        self._audio_due = True  # whether the next audio is the first of a reply

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (*self._scripted, *self._grant.faults)

    @property
    def silenced(self) -> bool:
        """Whether nothing passes any more, in either direction."""
        return self._timers.silenced

    @property
    def deaf(self) -> bool:
        """Whether nothing is read any more."""
        return self._timers.deaf

    def think_delay(self) -> float:
        """Return the seconds by which faults make the agent think longer."""
        return float(sum(fault["delay"] for fault in self.faults if fault.kind == "slow-think")) / 1000

    def slowness(self, kind: str) -> float:
        """Return the seconds by which faults delay a message of this type."""
        slow = (fault for fault in self.faults if fault.kind == "slow-messages" and fault.at in (None, kind))
        return float(sum(fault["delay"] for fault in slow)) / 1000

    def open(self) -> None:
        """Add the session to its grant and arm its faults."""
        self._grant.sessions.add(self)
        for fault in self.faults:
            self._timers.arm(fault)

    def close(self, seconds: float, skipped: float) -> None:
        """Write the end of a session that lasted ``seconds``, and as many more if nothing had been ``skipped``."""
        self._grant.sessions.discard(self)
        self._timers.end()
        for direction, close in self._closes():
            self.journal.add(direction, {"type": "(close)", "code": close.code, "reason": close.reason})
        figures = {"seconds": round(seconds, 3), "forecast_seconds": round(seconds + skipped, 3)}
        self.journal.add(TO_CLIENT, {"type": "(end)", **figures})

    def arm(self, fault: Fault) -> None:
        self._timers.arm(fault)

    def cancel(self, faults: Sequence[Fault]) -> None:
        self._timers.cancel(faults)

    def inject(self, message: Mapping[str, Any] | bytes) -> None:
        """Begin to send a message as if the agent had sent it; what is injected first is sent first."""
        self._timers.start(self._inject(message))

    async def _inject(self, message: Mapping[str, Any] | bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.write_given(message)

    def _closes(self) -> list[tuple[str, Close]]:
        """Return each side's Close, in the order in which they were sent."""
        protocol = self._connection.protocol
        both = [(TO_SERVER, protocol.close_rcvd), (TO_CLIENT, protocol.close_sent)]
        if protocol.close_rcvd_then_sent is False:
            both.reverse()
        return [(direction, close) for direction, close in both if close is not None]

    def _note_fault(self, fault: Fault) -> None:
        self.journal.add(TO_CLIENT, {"type": "(fault)", "kind": fault.kind})
        if fault.kind == "out-of-credit":
            self._grant.out_of_credit = True

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Yield the client's messages; a fault may take effect before a message is answered."""
        async for message in self._connection:
            self.journal.note(TO_SERVER, message)
            await self._timers.reached(_kind(message))
            yield message

    async def send(self, message: str | bytes) -> None:
        """Send a message of the agent, altered by faults if there are any."""
        if self._can_write_now():
            self.journal.note(TO_CLIENT, message)
            self._write(message)
            self._follow(_kind(message))
        else:
            await self._send_in_order(message)

    def _can_write_now(self) -> bool:
        """Whether no fault can alter a message, none is queued before it, and the socket takes it at once."""
        if self._sending or self._held or self.silenced or self._scripted or self._grant.faults:
            return False
        transport = self._connection.transport
        blocked = transport.is_closing() or transport.get_write_buffer_size()
        return not blocked and self._connection.protocol.state is OPEN

    def _write(self, message: str | bytes) -> None:
        """Bypass the library's ``send``, which takes three times as long."""
        protocol = self._connection.protocol
        if isinstance(message, str):
            protocol.send_text(message.encode())
        else:
            protocol.send_binary(message)
        self._connection.transport.writelines(protocol.data_to_send())

    async def _send_in_order(self, message: str | bytes) -> None:
        self._sending += 1
        try:
            async with self._order:  # a delayed message must not be overtaken
                kind = _kind(message)
                for each in await self._altered(kind, message):
                    self.journal.note(TO_CLIENT, each)
                    await self._connection.send(each)
        finally:
            self._sending -= 1
        await self._timers.reached(kind)

    def _follow(self, kind: str) -> None:
        """Keep whether a reply's audio is due, after a message of this type."""
        if kind in (AUDIO, "AgentAudioDone"):
            self._audio_due = kind == "AgentAudioDone"

    def _lateness(self, kind: str) -> float:
        """Return the seconds by which faults delay the first audio of a reply."""
        if kind != AUDIO or not self._audio_due:
            return 0.0
        return float(sum(fault["delay"] for fault in self.faults if fault.kind == "late-audio")) / 1000

    async def _altered(self, kind: str, message: str | bytes) -> list[str | bytes]:
        """Return the messages to send now."""
        delay = self.slowness(kind) + self._lateness(kind)
        self._follow(kind)
        await asyncio.sleep(delay)
        if self.silenced:
            return []
        out, self._held = [message, *self._held], []
        for fault in self.faults:
            if fault.kind == "no-welcome" and kind == "Welcome":
                return []
            if fault.at not in (None, kind):
                continue
            if fault.kind == "duplicate":
                out.insert(0, message)
            elif fault.kind == "out-of-order" and len(out) == 1:
                self._held, out = out, []
        return out


def _kind(message: str | bytes) -> str:
    """Return a message's type; empty if it has none."""
    if isinstance(message, bytes):
        return AUDIO
    ours = _OURS.match(message)
    if ours:
        return ours[1]
    try:
        data = json.loads(message)
    except (ValueError, RecursionError):
        return ""
    return str(data.get("type", "")) if isinstance(data, dict) else ""
