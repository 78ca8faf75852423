"""One end of a control connection, without its socket: bytes in, events and bytes out, the same class at both ends.

After the HTTP upgrade come JSON objects, one a line. First both ends authenticate. Then ``{"id", "ask", "fields"}`` is
answered with ``{"id", "answer"}`` or ``{"id", "error", "message"}``, and ``{"notify", "fields"}`` with nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps, loads
from typing import Any

from pytest_dgbudget.errors import DgBudgetError, GatewayError, LedgerError, SettingsError
from pytest_dgbudget.protocol.authentication import Authentication, AuthenticationFailed, Peer
from pytest_dgbudget.protocol.codec import from_json, to_json
from pytest_dgbudget.protocol.notifications import NOTIFICATIONS, Notification
from pytest_dgbudget.protocol.operations import OPERATIONS, Operation

_LONGEST_BEFORE_PROOF = 4 * 1024

# Errors that arrive as what they were; any narrower one arrives as the first of these that it is.
_ERRORS: tuple[type[DgBudgetError], ...] = (LedgerError, SettingsError, GatewayError)
_ERROR_BY_NAME = {each.__name__: each for each in _ERRORS}


class ProtocolViolation(Exception):
    """The other end does not speak this protocol, or does not know the secret: close the connection."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The other end has proven that it knows the secret."""

    peer: Peer


@dataclass(frozen=True, slots=True)
class Asked:
    """The other end waits for the answer to ``operation`` under ``id``."""

    id: int
    operation: Operation[Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What was asked under ``id`` is answered."""

    id: int
    answer: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """What was asked under ``id`` failed."""

    id: int
    error: DgBudgetError


@dataclass(frozen=True, slots=True)
class Notified:
    """The other end said something that is not answered."""

    notification: Notification


ControlEvent = Authenticated | Asked | Answered | Failed | Notified


class ControlProtocol:
    """One end. ``longest_line``: more bytes than this without a line's end violate the protocol."""

    def __init__(self, authentication: Authentication, *, longest_line: int) -> None:
        self._authentication = authentication
        self._longest_line = longest_line
        self._incoming = bytearray()
        self._searched = 0
        self._outgoing: list[bytes] = []
        self._asked: dict[int, type[Operation[Any]]] = {}
        self._last_id = 0
        if (opening := authentication.opening()) is not None:
            self._send(opening)

    @property
    def is_authenticated(self) -> bool:
        return self._authentication.peer is not None

    def receive(self, data: bytes) -> list[ControlEvent]:
        """Take bytes as they come and return what they complete; raises ProtocolViolation."""
        self._incoming += data
        events = []
        while (end := self._incoming.find(b"\n", self._searched)) >= 0:
            line = bytes(self._incoming[:end])
            del self._incoming[: end + 1]
            self._searched = 0
            if (event := self._read(_message(line))) is not None:
                events.append(event)
        self._searched = len(self._incoming)
        if len(self._incoming) > (self._longest_line if self.is_authenticated else _LONGEST_BEFORE_PROOF):
            raise ProtocolViolation("a line is too long")
        return events

    def to_send(self) -> bytes:
        """Return, once, what is to be sent."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def ask(self, operation: Operation[Any]) -> int:
        """Ask something, and return the id that its answer will have."""
        self._last_id += 1
        self._asked[self._last_id] = type(operation)
        self._send({"id": self._last_id, "ask": type(operation).__name__, "fields": to_json(operation)})
        return self._last_id

    def answer(self, id_: int, answer: Any) -> None:
        self._send({"id": id_, "answer": to_json(answer)})

    def fail(self, id_: int, error: DgBudgetError) -> None:
        """Answer with an error."""
        name = next((each.__name__ for each in _ERRORS if isinstance(error, each)), GatewayError.__name__)
        self._send({"id": id_, "error": name, "message": str(error)})

    def notify(self, notification: Notification) -> None:
        self._send({"notify": type(notification).__name__, "fields": to_json(notification)})

    def _send(self, message: dict[str, Any]) -> None:
        self._outgoing.append(dumps(message).encode() + b"\n")

    def _read(self, message: dict[str, Any]) -> ControlEvent | None:
        if not self.is_authenticated:
            return self._authenticate(message)
        try:
            if "notify" in message:
                return Notified(from_json(NOTIFICATIONS[message["notify"]], message["fields"]))
            if "ask" in message:
                return self._asked_by_peer(message)
            return self._answered(message)
        except (KeyError, ValueError, TypeError) as error:
            raise ProtocolViolation(f"an unknown message: {error!r}") from None

    def _authenticate(self, message: dict[str, Any]) -> ControlEvent | None:
        try:
            reply = self._authentication.receive(message)
        except AuthenticationFailed as failed:
            raise ProtocolViolation(str(failed)) from None
        if reply is not None:
            self._send(reply)
        peer = self._authentication.peer
        return None if peer is None else Authenticated(peer)

    def _asked_by_peer(self, message: dict[str, Any]) -> ControlEvent:
        return Asked(from_json(int, message["id"]), from_json(OPERATIONS[message["ask"]], message["fields"]))

    def _answered(self, message: dict[str, Any]) -> ControlEvent:
        id_ = message["id"]
        kind = self._asked.pop(id_).answer_kind()
        if "error" in message:
            return Failed(id_, _ERROR_BY_NAME[message["error"]](message["message"]))
        return Answered(id_, from_json(kind, message["answer"]))


def _message(line: bytes) -> dict[str, Any]:
    try:
        message: dict[str, Any] = from_json(dict, loads(line))
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation(f"a line that is no JSON object: {error!r}") from None
    return message
