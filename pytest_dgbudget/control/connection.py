"""The owner's end of a control connection (see gateway/control.py for what is said on it)."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import socket
from typing import Any

from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError, SettingsError
from pytest_dgbudget.processes import process_started
from pytest_dgbudget.protocol.authentication import proof
from pytest_dgbudget.protocol.codes import CONTROL_PATH, CONTROL_UPGRADE

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

_HELLO_SECONDS = 15
# The finished document of a long run comes as one line.
_LONGEST_LINE = 256 * 1024 * 1024


class ConnectionLost(GatewayError):
    """The gateway ended, or this connection to it, before it had answered."""


class Control:
    """One connection; lives on the line. While it is open, the gateway knows that this process lives.

    ``gone`` is set when it is lost. ``gateway`` is the process at its other end: pid, and when it started.
    """

    def __init__(self, sock: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._socket = sock
        self._reader = reader
        self._writer = writer
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._reading: asyncio.Task[None] | None = None
        self._beat_came = False
        self.gone = asyncio.Event()
        self.gateway: tuple[int, str | None] = (0, None)

    async def ask(self, op: str, **fields: Any) -> Any:
        """Return the gateway's answer; raises the error it names, or ConnectionLost."""
        if self.gone.is_set():
            raise ConnectionLost(GONE)
        self._asked += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = answer
        self._send({"id": self._asked, "op": op, **fields})
        return await answer

    def take_beat(self) -> bool:
        """Tell whether a beat has come since this was asked last."""
        came, self._beat_came = self._beat_came, False
        return came

    def close_in_child(self) -> None:
        """In a forked child: let go of the connection without a word, or it would keep a dead owner alive."""
        os.close(self._socket.detach())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._lose()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def prove(self, secret: str, role: str) -> None:
        """Upgrade and prove to one another that both know the secret; raises GatewayError."""
        port = self._socket.getpeername()[1]
        self._writer.write(
            f"GET {CONTROL_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Connection: Upgrade\r\nUpgrade: {CONTROL_UPGRADE}\r\n\r\n".encode()
        )
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101 "):
                raise GatewayError(f"what listens on port {port} is not the gateway of this run")
            challenge = secrets.token_hex(16)
            hello = {
                "proof": proof(secret, "owner", (await self._line())["challenge"]),
                "challenge": challenge,
                "role": role,
                "pid": os.getpid(),
                "started": process_started(os.getpid()),
            }
            self._send(hello)
            theirs = str((await self._line())["proof"])
        except (OSError, EOFError, ValueError, KeyError, asyncio.LimitOverrunError) as error:
            raise GatewayError(f"the gateway on port {port} ended before it said hello") from error
        if not hmac.compare_digest(theirs, proof(secret, "gateway", challenge)):
            raise GatewayError(f"what listens on port {port} is not the gateway of this run")
        self._reading = asyncio.ensure_future(self._read())

    async def _line(self) -> dict[str, Any]:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        data = json.loads(line)
        if not isinstance(data, dict):
            raise ValueError("not an object")
        return data

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        try:
            while True:
                self._received(await self._line())
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self._lose()

    def _lose(self) -> None:
        self.gone.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(GONE))

    def _received(self, message: dict[str, Any]) -> None:
        if "beat" in message:
            self._beat_came = True
            return
        answer = self._answers.pop(message.get("id", 0), None)
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(_error(message["error"]))
        else:
            answer.set_result(message["ok"])


GONE = (
    "the gateway is gone: what it had open is closed, and will be charged in full because nobody saw its end; "
    "its log is in .dgbudget"
)


def _error(error: dict[str, str]) -> DgBudgetError:
    kinds: dict[str, type[DgBudgetError]] = {"LedgerError": LedgerError, "SettingsError": SettingsError}
    return kinds.get(error["kind"], GatewayError)(error["message"])


async def connect(port: int, secret: str, role: str) -> Control:
    """Open and prove a control connection; raises GatewayError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle on
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=_LONGEST_LINE)
    except OSError as error:
        sock.close()
        raise GatewayError(f"the gateway on port {port} can't be reached: {error}") from error
    control = Control(sock, reader, writer)
    try:
        await asyncio.wait_for(control.prove(secret, role), _HELLO_SECONDS)
    except (TimeoutError, asyncio.TimeoutError) as error:
        await control.close()
        raise GatewayError(f"the gateway on port {port} did not say hello within {_HELLO_SECONDS} s") from error
    except GatewayError:
        await control.close()
        raise
    return control
