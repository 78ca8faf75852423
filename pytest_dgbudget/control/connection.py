"""The owner's end of a control connection."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import selectors
import socket
from asyncio.events import get_running_loop
from asyncio.locks import Event
from asyncio.streams import open_connection
from asyncio.tasks import ensure_future, wait_for
from collections.abc import Awaitable, Callable, Mapping
from os import close, getpid, urandom
from typing import Any, TypeVar

from pytest_dgbudget.errors import DgBudgetError, GatewayError
from pytest_dgbudget.processes import process_started
from pytest_dgbudget.protocol.authentication import OwnerAuthentication, Peer, Role
from pytest_dgbudget.protocol.codes import CONTROL_PATH, CONTROL_UPGRADE, KNOCK_HEADER
from pytest_dgbudget.protocol.control import (
    Answered,
    Asked,
    Authenticated,
    ControlEvent,
    ControlProtocol,
    Failed,
    Notified,
    ProtocolViolation,
)
from pytest_dgbudget.protocol.notifications import Notification
from pytest_dgbudget.protocol.operations import Operation
from pytest_dgbudget.protocol.secrets import knock

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

_AUTHENTICATION_SECONDS = 15
# The finished document of a long run comes as one line.
_LONGEST_LINE = 256 * 1024 * 1024
_CHUNK = 256 * 1024
# What the gateway's refusals say.
_ERROR = re.compile(rb"\r\ndg-error: ([ -~]+)\r\n")

# It needs no descriptor of its own; Windows lacks it, and there the plugin only loads.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)

A = TypeVar("A")
Handlers = Mapping[type[Notification], Callable[[Any], None]]
Answers = Mapping[type[Operation[Any]], Callable[[], Awaitable[Any]]]


class ConnectionLost(GatewayError):
    """The gateway ended, or this connection to it, before it had answered."""


class _Socket(socket.socket):
    """Bound before a test can replace ``socket.socket`` or its methods, as pytest-socket does."""

    connect = socket.socket.connect
    recv = socket.socket.recv
    send = socket.socket.send
    if hasattr(socket.socket, "close"):  # eventlet's class has none: each of its sockets gets one of its own
        close = socket.socket.close


class Control:
    """One connection; lives on the I/O thread. While it is open, the gateway knows that this process lives.

    ``gone`` is set when it is lost. ``handlers`` has what is called with each kind of notification, ``answers`` what
    is called for each operation that the gateway may ask of this process.
    """

    def __init__(
        self,
        sock: socket.socket,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        protocol: ControlProtocol,
        handlers: Handlers,
        answers: Answers,
        knock: str,
    ) -> None:
        self._socket = sock
        self._port = sock.getpeername()[1]
        self._reader = reader
        self._writer = writer
        self._protocol = protocol
        self._handlers = handlers
        self._own_answers = answers
        self._answering: set[asyncio.Future[None]] = set()
        self._knock = knock
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._gateway: asyncio.Future[Peer] = get_running_loop().create_future()
        self.gone = Event()

    @property
    def gateway(self) -> Peer:
        """The process at the other end."""
        return self._gateway.result()

    async def ask(self, operation: Operation[A]) -> A:
        """Return the gateway's answer; raises the error that it names, or ConnectionLost."""
        if self.gone.is_set():
            raise ConnectionLost(GONE)
        answer: asyncio.Future[A] = get_running_loop().create_future()
        self._answers[self._protocol.ask(operation)] = answer
        self._flush()
        return await answer

    def is_silent(self, seconds: float) -> bool:
        """Block while the gateway sends nothing, up to ``seconds`` of the kernel's; return whether nothing came."""
        with _Selector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return not selector.select(seconds)

    def close_in_child(self) -> None:
        """In a forked child: let go of the connection without a word, or it would keep a dead owner alive."""
        close(self._socket.detach())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._lose(self._ended_early())
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def authenticate(self) -> None:
        """Upgrade, then prove to one another that both know the secret; raises GatewayError."""
        self._writer.write(
            f"GET {CONTROL_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Connection: Upgrade\r\nUpgrade: {CONTROL_UPGRADE}\r\n{KNOCK_HEADER}: {self._knock}\r\n\r\n".encode()
        )
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise self._ended_early() from error
        if head.startswith(b"HTTP/1.1 503 ") and (why := _ERROR.search(head)) is not None:
            raise GatewayError(why[1].decode())
        if not head.startswith(b"HTTP/1.1 101 "):
            raise self._not_ours()
        self._reading = ensure_future(self._read())
        await self._gateway

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_CHUNK):
                for event in self._protocol.receive(data):
                    self._received(event)
                self._flush()
        except OSError:
            pass
        except ProtocolViolation:
            self._lose(self._not_ours())
        finally:
            self._lose(self._ended_early())

    def _not_ours(self) -> GatewayError:
        return GatewayError(f"what listens on port {self._port} is not the gateway of this run")

    def _ended_early(self) -> ConnectionLost:
        return ConnectionLost(f"the gateway on port {self._port} ended before it was joined")

    def _flush(self) -> None:
        self._writer.write(self._protocol.to_send())

    def _lose(self, before_joined: GatewayError) -> None:
        self.gone.set()
        if not self._gateway.done():
            self._gateway.set_exception(before_joined)
            self._gateway.exception()  # nobody waits for it any more where authentication has failed before
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(GONE))

    def _received(self, event: ControlEvent) -> None:
        if isinstance(event, Authenticated):
            self._gateway.set_result(event.peer)
        elif isinstance(event, Notified):
            self._handlers[type(event.notification)](event.notification)
        elif isinstance(event, Asked):
            answering = ensure_future(self._answer(event))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
        elif isinstance(event, (Answered, Failed)):
            self._answered(event)

    async def _answer(self, asked: Asked) -> None:
        try:
            self._protocol.answer(asked.id, await self._own_answers[type(asked.operation)]())
        except DgBudgetError as error:
            self._protocol.fail(asked.id, error)
        except Exception as error:
            self._protocol.fail(asked.id, GatewayError(f"this process failed to answer: {error!r}"))
        self._flush()

    def _answered(self, event: Answered | Failed) -> None:
        answer = self._answers.pop(event.id)
        if answer.done():
            return
        if isinstance(event, Failed):
            answer.set_exception(event.error)
        else:
            answer.set_result(event.answer)


GONE = (
    "the gateway is gone: what it had open is closed, and will be charged in full because nobody saw its end; "
    "its log is in .dgbudget"
)


def no_socket(error: OSError) -> GatewayError:
    """Return the error for a socket that this process can't open; the gateway is not at fault, and dialled nothing."""
    limit = "; see ulimit -n" if error.errno == errno.EMFILE else ""
    return GatewayError(f"this process can't open a socket: {error.strerror}{limit}; nothing was dialled")


async def dial(port: int) -> _Socket:
    """Return a socket that is connected to the gateway; raises GatewayError."""
    try:
        sock = _Socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle on
    except OSError as error:
        raise no_socket(error) from error
    sock.setblocking(False)
    try:
        await get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise GatewayError(f"the gateway on port {port} can't be reached: {error}") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def connect(port: int, secret: str, role: Role, handlers: Handlers, answers: Answers) -> Control:
    """Open and authenticate a control connection; raises GatewayError."""
    sock = await dial(port)
    reader, writer = await open_connection(sock=sock)
    us = Peer(role=role, pid=getpid(), started=process_started(getpid()))
    authentication = OwnerAuthentication(secret, urandom(16).hex(), us)
    protocol = ControlProtocol(authentication, longest_line=_LONGEST_LINE)
    control = Control(sock, reader, writer, protocol, handlers, answers, knock(secret))
    try:
        await wait_for(control.authenticate(), _AUTHENTICATION_SECONDS)
    except (TimeoutError, asyncio.TimeoutError) as error:
        await control.close()
        raise GatewayError(f"the gateway on port {port} did not answer within {_AUTHENTICATION_SECONDS} s") from error
    except BaseException:
        await control.close()
        raise
    return control
