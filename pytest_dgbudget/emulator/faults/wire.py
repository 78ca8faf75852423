"""One session's messages on their way in and out, and the faults that befall them there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN

from pytest_dgbudget.emulator.faults.grants import Grant
from pytest_dgbudget.emulator.faults.kinds import MALFORMED, OUT_OF_CREDIT, Fault
from pytest_dgbudget.emulator.journal import TO_CLIENT, TO_SERVER, SessionJournal

AUDIO = "(audio)"
_OURS = re.compile(r'\{"type": "([^"]*)"')  # as the outbox writes them
_NO_LINGER = struct.pack("ii", 1, 0)
_CLOSE_OUT_OF_CREDIT = 1008  # the vendor documents no code


class Wire:
    """What stands between a conversation and its connection."""

    def __init__(
        self, connection: ServerConnection, grant: Grant, scripted: tuple[Fault, ...], journal: SessionJournal
    ) -> None:
        self.journal = journal
        self._connection = connection
        self._grant = grant
        self._scripted = scripted
        self._awaiting: list[Fault] = []
        self._striking: set[asyncio.Task[None]] = set()
        self._held: list[str | bytes] = []
        self._order = asyncio.Lock()
        self.deaf = False

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (*self._scripted, *self._grant.faults)

    def open(self) -> None:
        """From now on the session is one of its grant's."""
        self._grant.wires.add(self)
        for fault in self.faults:
            self.arm(fault)

    def close(self) -> None:
        """Leave nothing behind that could still happen."""
        self._grant.wires.discard(self)
        self.disarm()
        for direction, close in self._closes():
            self.journal.add(direction, {"type": "(close)", "code": close.code, "reason": close.reason})
        self.journal.add(TO_CLIENT, {"type": "(end)"})

    def _closes(self) -> list[tuple[str, Close]]:
        """Return each side's Close, in their order."""
        protocol = self._connection.protocol
        both = [(TO_SERVER, protocol.close_rcvd), (TO_CLIENT, protocol.close_sent)]
        if protocol.close_rcvd_then_sent is False:
            both.reverse()
        return [(direction, close) for direction, close in both if close is not None]

    def arm(self, fault: Fault) -> None:
        """Let a fault strike when its moment comes."""
        if not fault.strikes:
            return
        if fault.at is None:
            self._strike_later(fault)
        else:
            self._awaiting.append(fault)

    def disarm(self) -> None:
        self._awaiting.clear()
        for striking in self._striking:
            striking.cancel()

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Yield what the client sends; a fault may come before it is answered."""
        async for message in self._connection:
            self.journal.note(TO_SERVER, message)
            await self._reached(_kind(message))
            yield message

    async def send(self, message: str | bytes) -> None:
        """Send one message of the agent's, or what faults make of it."""
        if self._way_is_free():
            self.journal.note(TO_CLIENT, message)
            self._write(message)
        else:
            await self._send(message)

    async def _send(self, message: str | bytes) -> None:
        async with self._order:  # a message that is slow must not be overtaken
            kind = _kind(message)
            for each in await self._altered(kind, message):
                self.journal.note(TO_CLIENT, each)
                await self._connection.send(each)
        await self._reached(kind)

    def _way_is_free(self) -> bool:
        """Whether nothing can befall a message, and the socket takes it at once."""
        if self.deaf or self._scripted or self._grant.faults or self._held or self._order.locked():
            return False
        transport = self._connection.transport
        blocked = transport.is_closing() or transport.get_write_buffer_size()
        return not blocked and self._connection.protocol.state is OPEN

    def _write(self, message: str | bytes) -> None:
        """The library's own ``send`` takes three times as long: it waits for whatever may be in the way."""
        protocol = self._connection.protocol
        if isinstance(message, str):
            protocol.send_text(message.encode())
        else:
            protocol.send_binary(message)
        self._connection.transport.writelines(protocol.data_to_send())

    async def _altered(self, kind: str, message: str | bytes) -> list[str | bytes]:
        """Return what goes out now."""
        if self.deaf:
            return []
        out, self._held = [message, *self._held], []
        for fault in self.faults:
            if fault.kind == "no-welcome" and kind == "Welcome":
                return []
            if fault.at not in (None, kind):
                continue
            if fault.kind == "slow-messages":
                await asyncio.sleep(fault["delay"] / 1000)
            elif fault.kind == "duplicate":
                out.insert(0, message)
            elif fault.kind == "out-of-order" and len(out) == 1:
                self._held, out = out, []
        return out

    async def _reached(self, kind: str) -> None:
        due = [fault for fault in self._awaiting if fault.at == kind]
        for fault in due:
            self._awaiting.remove(fault)
            if fault["after"]:
                self._strike_later(fault)
            else:
                await self._strike(fault)

    def _strike_later(self, fault: Fault) -> None:
        striking = asyncio.ensure_future(self._strike(fault, fault["after"] / 1000))
        self._striking.add(striking)
        striking.add_done_callback(self._striking.discard)

    async def _strike(self, fault: Fault, delay: float = 0) -> None:
        await asyncio.sleep(delay)
        self.journal.add(TO_CLIENT, {"type": "(fault)", "kind": fault.kind})
        with contextlib.suppress(ConnectionClosed):
            await getattr(self, "_" + fault.kind.replace("-", "_"))(fault)

    async def _silence(self, _fault: Fault) -> None:
        """The connection stays, but nothing comes through it: neither messages nor a Close, in either direction."""
        self.deaf = True

    async def _drop(self, fault: Fault) -> None:
        transport = self._connection.transport
        if fault["how"] == "fin":
            transport.close()
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()

    async def _ignore_close(self, _fault: Fault) -> None:
        protocol: Any = self._connection.protocol
        receive = protocol.recv_frame

        def all_but_close(frame: Frame) -> None:
            if frame.opcode is not Opcode.CLOSE:
                receive(frame)

        protocol.recv_frame = all_but_close

    async def _flood(self, fault: Fault) -> None:
        text = _warning("EMULATED_FLOOD", fault["bytes"])
        for _ in range(fault["messages"]):
            await self._connection.send(text)

    async def _malformed(self, fault: Fault) -> None:
        self._connection.transport.write(MALFORMED[fault["form"]])

    async def _oversized(self, fault: Fault) -> None:
        await self._connection.send(_warning("EMULATED_OVERSIZED", fault["bytes"]))

    async def _out_of_credit(self, _fault: Fault) -> None:
        """An Error, a Close, and no session any more: the vendor documents nothing of it."""
        self._grant.out_of_credit = True
        text = {"type": "Error", "description": "The emulator plays a project without credit.", "code": OUT_OF_CREDIT}
        await self._connection.send(json.dumps(text))
        await self._connection.close(_CLOSE_OUT_OF_CREDIT, OUT_OF_CREDIT)


def _kind(message: str | bytes) -> str:
    """Return a message's type; empty when it has none."""
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


def _warning(code: str, size: int) -> str:
    """Return a Warning of so many bytes, or as few as there can be."""
    shortest = json.dumps({"type": "Warning", "description": "", "code": code})
    return json.dumps({"type": "Warning", "description": "x" * (size - len(shortest)), "code": code})
