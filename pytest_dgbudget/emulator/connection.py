"""One connection to the agent's port: its messages, the conversation that answers them, and how both end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.emulator.agent.conversation import Conversation
from pytest_dgbudget.emulator.agent.limits import Limits
from pytest_dgbudget.emulator.audio.voice import Pace
from pytest_dgbudget.emulator.codes import ProtocolError
from pytest_dgbudget.emulator.faults.bill import amended
from pytest_dgbudget.emulator.faults.injector import FaultInjector
from pytest_dgbudget.emulator.project.billing import OpenSession
from pytest_dgbudget.emulator.project.credentials import Key
from pytest_dgbudget.emulator.scenarios.actions import ScriptedClose
from pytest_dgbudget.emulator.scenarios.scenario import Agents, Scenario, Script

# The vendor documents no close code for the agent. Its speech-to-text socket closes with 1008 when the client
# sent something unusable, and every Error of ours but the internal one means just that: the emulator's choice.
CLOSE_CLIENT_FAULT = 1008
CLOSE_OUR_FAULT = 1011

PATIENCE_SECONDS = 1.0  # with a client that neither reads nor answers our Close
_log = logging.getLogger(__name__)

# All connections read into this buffer and process what they read before the next read. asyncio's own buffer is so big
# that the system maps and unmaps it at every read.
_READ = memoryview(bytearray(64 * 1024))


class AgentConnection(ServerConnection, asyncio.BufferedProtocol):
    """A connection to the agent's port; it is a session from its 101 until its socket is closed."""

    key: Key
    injector: FaultInjector
    session: OpenSession | None = None
    scenario: Scenario | None = None

    def begin(self, session: OpenSession) -> None:
        """Start the session: the 101 is being sent."""
        self.session = session
        session.amend = lambda record: amended(record, self.injector.faults)
        self.injector.open()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        if self.session is None or not self.injector.silenced:
            self.data_received(_READ[:nbytes].tobytes())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.session is not None:
            self.session.close()
            self.injector.close()
        super().connection_lost(exc)


async def converse(
    connection: ServerConnection, *, limits: Limits | None, agents: Agents | None, pace: Pace, patience: float
) -> None:
    """Hold the conversation until one side ends it.

    ``agents`` are reusable ones, beside those of the scenario; ``pace`` and ``patience`` are those of Emulator.
    """
    assert isinstance(connection, AgentConnection)
    conversation = _conversation(connection, limits, agents, pace)
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
    if connection.injector.silenced:
        await connection.wait_closed()
    elif failure is not None and not isinstance(failure, ConnectionClosed):
        await _fail(connection, failure, patience)


def _conversation(
    connection: AgentConnection, limits: Limits | None, agents: Agents | None, pace: Pace
) -> Conversation:
    session, scenario = connection.session, connection.scenario
    assert session is not None
    return Conversation(
        connection.injector.send,
        request_id=session.request_id,
        tag=session.configure,
        limits=limits,
        agents=agents if scenario is None else {**(agents or {}), **scenario.agents},
        script=None if scenario is None else Script(scenario),
        pace=pace,
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
        await connection.close(close_code, failure.code)
