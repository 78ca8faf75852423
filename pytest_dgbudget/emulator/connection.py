"""One connection to a port: handed on if it is plain HTTP, else its messages, what answers them, and how both end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import select
from dataclasses import replace
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol

from pytest_dgbudget.emulator.agent.conversation import Conversation
from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.faults.bill import amended
from pytest_dgbudget.emulator.faults.injector import FaultInjector
from pytest_dgbudget.emulator.http import DEADLINE_SECONDS, LONGEST_HEAD, HttpServer
from pytest_dgbudget.emulator.journal import TO_CLIENT
from pytest_dgbudget.emulator.project.agents import AgentLookup, Agents
from pytest_dgbudget.emulator.project.billing import OpenSession
from pytest_dgbudget.emulator.project.credentials import Key
from pytest_dgbudget.emulator.scenarios.actions import ScriptedClose
from pytest_dgbudget.emulator.scenarios.scenario import Scenario, Script
from pytest_dgbudget.emulator.session_clock import Pace, SessionClock
from pytest_dgbudget.emulator.vendor import read_vendor

# Codes that no live session was seen to have; a switch sends them. The vendor's speech-to-text socket closes with 1008
# when the client sent something unusable.
CLOSE_CLIENT_FAULT = 1008
CLOSE_OUR_FAULT = 1011
_CLOSE_AT_THE_CAP = 1000  # as the vendor's Rust SDK of autumn 2026 has it
_NORMAL = Close(1000, "").serialize()

PATIENCE_SECONDS = 1.0  # with a client that neither reads nor answers our Close
_DEAF_LOOKS_EVERY = 0.05  # seconds
_PONG = b"\x8a\x00"  # one that answers no ping: clients ignore it
_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)
_log = logging.getLogger(__name__)

# All connections read into this buffer and process what they read before the next read. asyncio's own buffer is so big
# that the system maps and unmaps it at every read.
_READ = memoryview(bytearray(64 * 1024))


class AgentConnection(ServerConnection, asyncio.BufferedProtocol):
    """A connection to a port; if it asks for an upgrade, it is a session from its 101 until its socket is closed."""

    key: Key
    pace: Pace
    injector: FaultInjector
    session: OpenSession | None = None
    clock: SessionClock | None = None
    scenario: Scenario | None = None

    def __init__(self, *arguments: Any, http: HttpServer, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _answer_close_with_1000(self.protocol)
        self._http = http
        self._head: bytearray | None = bytearray()  # None once it is known what this is
        self._accepted: asyncio.Transport | None = None

    def begin(self, session: OpenSession) -> SessionClock:
        """Start the session: the 101 is being sent."""
        self.session = session
        self.clock = SessionClock(self.pace)
        session.amend = lambda record: amended(record, self.injector.faults)
        self.injector.open()
        return self.clock

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head of the first request, which shows whose connection this is."""
        assert isinstance(transport, asyncio.Transport)
        self._accepted = transport
        self._http.await_head(transport, DEADLINE_SECONDS)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        if self._head is not None:
            self._add_to_head(_READ[:nbytes].tobytes())
        elif self.session is None or not self.injector.silenced:
            self.data_received(_READ[:nbytes].tobytes())

    def _add_to_head(self, data: bytes) -> None:
        assert self._head is not None
        assert self._accepted is not None
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= LONGEST_HEAD:
            return
        head, self._head = bytes(self._head), None
        self._http.has_head(self._accepted)
        if end >= 0 and _UPGRADE.search(head, 0, end + 2):
            super().connection_made(self._accepted)
            self.data_received(head)
        else:
            self._http.adopt(self._accepted, head)

    def eof_received(self) -> None:
        if self._head is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head is not None:
            assert self._accepted is not None
            return self._http.has_head(self._accepted)
        if self.session is not None:
            seconds, skipped = self.session.close(), 0.0 if self.clock is None else self.clock.skipped
            self.injector.close(seconds, skipped)
        return super().connection_lost(exc)

    async def close_empty(self) -> None:
        """Send a Close without code, as live sessions have it after an Error."""
        with contextlib.suppress(ConnectionClosed):
            async with self.send_context():
                self.protocol.send_close()

    async def close_after_error(self, code: int, reason: str) -> None:
        """Close as the session's switch says."""
        if self.injector.behavior.vendor.close_after_error == "code":
            await self.close(code, reason)
        else:
            await self.close_empty()

    async def stop_reading(self) -> None:
        """Read nothing more, so that what the client sends backs up; return when the client is gone.

        The end of what a client sends comes after what has backed up, which is not read. But what is sent to a client
        that is gone is answered with a reset.
        """
        self.recv_messages.resume = lambda: None
        self.transport.pause_reading()
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), _HUNG_UP)
        while not self.transport.is_closing() and not poll.poll(0):
            if not self.transport.get_write_buffer_size():
                self.transport.write(_PONG)
            await asyncio.sleep(_DEAF_LOOKS_EVERY)
        self.transport.abort()


def _answer_close_with_1000(protocol: Protocol) -> None:
    """Have the client's Close answered with 1000, as the vendor's SDK has it (row 5).

    The library sends back what it gets, so it gets 1000; what the client sent is kept.
    """
    receive = protocol.recv_frame

    def received(frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            sent = Close.parse(frame.data)
            receive(replace(frame, data=_NORMAL))
            protocol.close_rcvd = sent
        else:
            receive(frame)

    protocol.recv_frame = received  # type: ignore[method-assign]


async def converse(connection: ServerConnection, *, behavior: Behavior, agents: Agents, patience: float) -> None:
    """Hold the conversation until one side ends it.

    ``behavior`` is that of sessions whose scenario says nothing else; ``patience`` is that of Emulator.
    """
    assert isinstance(connection, AgentConnection)
    behavior = connection.injector.behavior = _behavior(behavior, connection.scenario)
    conversation = _conversation(connection, behavior, agents)
    connection.injector.write_given = conversation.write_given
    connection.injector.hear_out = conversation.hear_out
    sending = asyncio.ensure_future(conversation.speak())
    receiving = asyncio.ensure_future(_receive(connection.injector, conversation))
    try:
        await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        sending.cancel()
        receiving.cancel()
        outcomes = await asyncio.gather(sending, receiving, return_exceptions=True)
        conversation.end()
    failure = next((each for each in outcomes if isinstance(each, Exception)), None)
    if connection.injector.silenced or connection.injector.deaf:
        await connection.wait_closed()
    elif failure is not None and not isinstance(failure, ConnectionClosed):
        await _fail(connection, failure, patience)


def _behavior(usual: Behavior, scenario: Scenario | None) -> Behavior:
    return usual if scenario is None else replace(usual, vendor=read_vendor(scenario.vendor, usual.vendor))


def _conversation(connection: AgentConnection, behavior: Behavior, agents: Agents) -> Conversation:
    session, scenario, clock = connection.session, connection.scenario, connection.clock
    assert session is not None
    assert clock is not None
    scripted = {} if scenario is None else scenario.agents.agents
    variables = {} if scenario is None else scenario.agents.variables
    session.vendor = behavior.vendor
    return Conversation(
        connection.injector.send,
        request_id=session.request_id,
        bill=session,
        behavior=behavior,
        clock=clock,
        agents=AgentLookup(agents, scripted, variables),
        script=None if scenario is None else Script(scenario),
        think_delay=connection.injector.think_delay,
    )


async def _receive(injector: FaultInjector, conversation: Conversation) -> None:
    await conversation.welcome()
    async for message in injector.messages():
        await conversation.receive(message)


async def _fail(connection: AgentConnection, failure: Exception, patience: float) -> None:
    """Send the Error and close: the documentation says that any Error ends the session."""
    if isinstance(failure, ScriptedClose):
        return await connection.close(failure.code, "the scenario closes")
    close_code = CLOSE_CLIENT_FAULT
    if not isinstance(failure, ProtocolError):
        _log.error("the emulator failed", exc_info=failure)
        failure = ProtocolError("INTERNAL_SERVER_ERROR", f"The emulator failed: {type(failure).__name__}.")
        close_code = CLOSE_OUR_FAULT
    longest = connection.injector.slowness("Error") + 2 * patience
    try:
        await asyncio.wait_for(_send_error_and_close(connection, failure, close_code), longest)
    except asyncio.TimeoutError:
        connection.transport.abort()  # the client reads nothing: neither Error nor Close would get through


async def _send_error_and_close(connection: AgentConnection, failure: ProtocolError, close_code: int) -> None:
    message = {"type": "Error", "description": failure.description, "code": failure.code}
    with contextlib.suppress(ConnectionClosed):
        await connection.injector.send(json.dumps(message))
        if failure.detail is not None:
            connection.injector.journal.add(TO_CLIENT, {"type": "(detail)", "text": failure.detail})
        if failure.code == "MAXIMUM_SESSION_LENGTH_REACHED":
            await connection.close(_CLOSE_AT_THE_CAP)
        else:
            await connection.close_after_error(close_code, failure.code)
