"""The faults that take effect at a moment of a session, and what each does to its connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from pytest_dgbudget.emulator.faults.kinds import MALFORMED, OUT_OF_CREDIT, Fault

_NO_LINGER = struct.pack("ii", 1, 0)
_CLOSE_OUT_OF_CREDIT = 1008  # unless the Close is empty; the vendor documents nothing


class FaultyConnection(Protocol):
    """What faults act on: a server's connection."""

    protocol: Any
    transport: asyncio.Transport

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over what the client sends."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Send a message."""
        ...

    async def close_after_error(self, code: int, reason: str) -> None:
        """Close as the session does after an Error."""
        ...

    async def stop_reading(self) -> None:
        """Read nothing more, until the client is gone."""
        ...


class FaultTimers:
    """The timed faults of one session: armed, then triggered at their moment or cancelled before it.

    ``on_fault`` is called with each fault that is triggered.
    """

    def __init__(self, connection: FaultyConnection, on_fault: Callable[[Fault], None]) -> None:
        self.silenced = False  # nothing passes any more, in either direction
        self.deaf = False  # nothing is read any more
        self._connection = connection
        self._on_fault = on_fault
        self._awaiting: list[Fault] = []
        self._scheduled: list[tuple[Fault, asyncio.TimerHandle]] = []
        self._tasks: set[asyncio.Future[None]] = set()
        self._cancelled_faults: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        if not fault.timed:
            return
        if fault.at is None:
            self._set_timer(fault)
        else:
            self._awaiting.append(fault)

    def cancel(self, faults: Sequence[Fault]) -> None:
        """Cancel these faults; one that has begun runs to its end, except for a flood."""
        self._cancelled_faults += faults
        self._awaiting = [fault for fault in self._awaiting if not self._is_cancelled(fault)]
        for fault, timer in self._scheduled:
            if self._is_cancelled(fault):
                timer.cancel()

    def end(self) -> None:
        """Cancel what is still pending."""
        self._awaiting.clear()
        for _, timer in self._scheduled:
            timer.cancel()
        for task in self._tasks:
            task.cancel()

    async def reached(self, kind: str) -> None:
        """Trigger or schedule the faults that wait for this type: such a message was received or sent."""
        due = [fault for fault in self._awaiting if fault.at == kind]
        for fault in due:
            self._awaiting.remove(fault)
            if fault["after"]:
                self._set_timer(fault)
            else:
                await self._trigger(fault)

    def _is_cancelled(self, fault: Fault) -> bool:
        return any(fault is each for each in self._cancelled_faults)

    def _set_timer(self, fault: Fault) -> None:
        timer = asyncio.get_running_loop().call_later(fault["after"] / 1000, self._begin, fault)
        self._scheduled.append((fault, timer))

    def _begin(self, fault: Fault) -> None:
        self.start(self._trigger(fault))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the session, until its end."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _trigger(self, fault: Fault) -> None:
        self._on_fault(fault)
        with contextlib.suppress(ConnectionClosed):
            await _EFFECTS[fault.kind](self, fault)

    async def _silence(self, _fault: Fault) -> None:
        """Keep the connection, but pass neither messages nor a Close."""
        self.silenced = True

    async def _deafen(self, _fault: Fault) -> None:
        """Read nothing more: what the client sends backs up, as on a link that is half open."""
        self.deaf = True
        self.start(self._connection.stop_reading())

    async def _drop(self, fault: Fault) -> None:
        transport = self._connection.transport
        if fault["how"] == "fin":
            transport.close()
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()

    async def _ignore_close(self, _fault: Fault) -> None:
        protocol = self._connection.protocol
        receive = protocol.recv_frame

        def all_but_close(frame: Frame) -> None:
            if frame.opcode is not Opcode.CLOSE:
                receive(frame)

        protocol.recv_frame = all_but_close

    async def _flood(self, fault: Fault) -> None:
        text = _warning("EMULATED_FLOOD", fault["bytes"])
        for _ in range(fault["messages"]):
            if self._is_cancelled(fault):
                return
            await self._connection.send(text)
            await asyncio.sleep(0)  # sending alone never yields while the client keeps up

    async def _malformed(self, fault: Fault) -> None:
        self._connection.transport.write(MALFORMED[fault["form"]])

    async def _oversized(self, fault: Fault) -> None:
        await self._connection.send(_warning("EMULATED_OVERSIZED", fault["bytes"]))

    async def _out_of_credit(self, _fault: Fault) -> None:
        """Send an Error and a Close; no further session is let in. The vendor documents nothing about this."""
        text = {"type": "Error", "description": "The emulated project is out of credit.", "code": OUT_OF_CREDIT}
        await self._connection.send(json.dumps(text))
        await self._connection.close_after_error(_CLOSE_OUT_OF_CREDIT, OUT_OF_CREDIT)


_EFFECTS: dict[str, Callable[[FaultTimers, Fault], Awaitable[None]]] = {
    "silence": FaultTimers._silence,
    "deaf": FaultTimers._deafen,
    "drop": FaultTimers._drop,
    "ignore-close": FaultTimers._ignore_close,
    "flood": FaultTimers._flood,
    "malformed": FaultTimers._malformed,
    "oversized": FaultTimers._oversized,
    "out-of-credit": FaultTimers._out_of_credit,
}


def _warning(code: str, size: int) -> str:
    """Return a Warning of this many bytes, or the shortest possible one."""
    shortest = json.dumps({"type": "Warning", "description": "", "code": code})
    return json.dumps({"type": "Warning", "description": "x" * (size - len(shortest)), "code": code})
