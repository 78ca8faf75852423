"""What a session knows without waiting, in async tests and sync ones alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from json import loads
from pathlib import Path
from typing import Any, Literal

from pytest_dgbudget.client.audio import Speed
from pytest_dgbudget.client.conversation import ClientConversation
from pytest_dgbudget.client.expectations import Expectation
from pytest_dgbudget.client.received import AgentAudio
from pytest_dgbudget.client.saved_audio import save_audio
from pytest_dgbudget.client.session_io import SessionIO
from pytest_dgbudget.client.turns import calls_in
from pytest_dgbudget.client.user_audio import UserPart
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.errors import ProtocolViolated, SettingsError
from pytest_dgbudget.model import MeasuredTurn, Usage
from pytest_dgbudget.protocol.operations import CallEmulator, GetTurns, GetUsage, GetViolations
from pytest_dgbudget.recording.audio_file import format_in
from pytest_dgbudget.rules.vendor_messages import ConversationText, FunctionCall, Message
from pytest_dgbudget.units import parse_time, seconds

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# Seconds, or a time as options have it: "500ms", "5s".
Timeout = str | float

# A block of the settings, or a list of them in the order of preference.
Replaced = Mapping[str, Any] | Sequence[Mapping[str, Any]]
# The vendor's AsyncAPI file, InjectAgentMessage.
Behavior = Literal["default", "queue", "interrupt"]

REPLY = "30s"
EVENT = "10s"
TRAILING = "3s"
BEFORE_BARGE_IN = "500ms"


def in_seconds(timeout: Timeout) -> float:
    """Return a timeout in seconds; raises SettingsError for what is no time."""
    if isinstance(timeout, str):
        return seconds(parse_time(timeout))
    if isinstance(timeout, (int, float)) and timeout >= 0:
        return float(timeout)
    raise SettingsError(f'timeout={timeout!r} is no time: give seconds, or a text such as "500ms" or "5s"')


def checked_name(name: object) -> str:
    """Return a function's name; raises TypeError for anything else, such as the handler itself."""
    if isinstance(name, str) and name:
        return name
    raise TypeError(f'on_function needs the name of a function: @session.on_function("lookup"), not {name!r}')


def expectation(kind: object, predicate: Callable[[Any], object] | None, fields: Mapping[str, Any]) -> Expectation:
    """Return what ``expect`` was asked for; raises TypeError for what it does not take."""
    if not isinstance(kind, str):
        raise TypeError(f'expect needs the type of a message: session.expect("ConversationText"), not {kind!r}')
    if predicate is not None and not callable(predicate):
        raise TypeError(
            f"the second argument of expect is asked of the message, and {predicate!r} can't be called; "
            'name a field for it: session.expect("ConversationText", role="assistant")'
        )
    return Expectation(type=kind, predicate=predicate, fields=fields)


def bound(handler: Callable[..., Any], call: FunctionCall) -> Callable[[], Any]:
    """Return a handler without parameters: the call's JSON arguments become keyword arguments."""
    arguments = loads(call.arguments or "{}")
    return lambda: handler(**arguments)


class SessionBase:
    """What ``AsyncSession`` and ``Session`` share."""

    def __init__(self, io: SessionIO, gateway: GatewayClient, attempt: str) -> None:
        self._io = io
        self._gateway = gateway
        self._thread = gateway.io_thread
        self._attempt = attempt
        self._conversation = ClientConversation(io, self._measured, self._listens)

    def __repr__(self) -> str:
        """What pytest shows when an assertion fails."""
        return f"<{type(self).__name__} {self.request_id or 'without a request id'}>"

    @property
    def request_id(self) -> str | None:
        """The vendor's key for this session, from its Welcome; None if that had none."""
        return self._io.request_id

    def events(self) -> list[Message]:
        """Return every message received so far, without audio; their ``at`` is seconds since the session opened."""
        return list(self._io.received.messages)

    def timeline(self) -> list[Message | AgentAudio]:
        """Return everything received so far, the agent's audio in its place among the messages."""
        return self._io.received.timeline()

    @property
    def transcript(self) -> list[ConversationText]:
        """What was said so far, by both sides."""
        return [message for message in self._io.received.messages if isinstance(message, ConversationText)]

    @property
    def audio(self) -> bytes:
        """The agent's audio received so far, in the output format of the settings."""
        return bytes(self._io.received.audio)

    def save_audio(self, path: str | os.PathLike[str]) -> Path:
        """Write the agent's audio received so far to a file that players open, and return its path.

        linear16, mulaw and alaw become a WAV file, without the headers that each reply has in ``container: wav``;
        compressed audio is written as it came. Raises SettingsError when the path doesn't end as such a file does
        (``.wav``, ``.mp3`` …), OSError when it can't be written; folders are not made.
        """
        return save_audio(path, self.audio, *format_in(self._io.settings, "output"))

    def function_calls(self, name: str | None = None) -> list[FunctionCall]:
        """Return the calls that the agent asked the client for so far, in order: all, or those of one function."""
        calls = calls_in(self._io.received.messages)
        return [call for call in calls if call.client_side and name in (None, call.name)]

    def check_protocol(self) -> None:
        """Raise ProtocolViolated if this session's messages broke the protocol's order so far, or an Error came."""
        violations = self._gateway.ask(GetViolations(attempt=self._attempt, session=self._io.id))
        if violations:
            raise ProtocolViolated(violations)

    @property
    def usage(self) -> Usage:
        """What this session has used so far: its seconds, and its cost in US dollars."""
        return self._gateway.ask(GetUsage(attempt=self._attempt, session=self._io.id))

    @contextmanager
    def _user_part(self, pace: Speed, trailing: Timeout) -> Iterator[UserPart]:
        """Give what takes the user's audio; it ends where its source fails."""
        self._conversation.user_speaks()
        part = self._io.user_audio.part(pace, in_seconds(trailing))
        try:
            yield part
            self._thread.loop.call_soon_threadsafe(self._conversation.user_spoke)
        except BaseException:
            self._thread.loop.call_soon_threadsafe(part.stop)
            raise

    async def _listens(self) -> None:
        body = {"request_id": self.request_id}
        asked = CallEmulator(attempt=self._attempt, method="POST", what="listening", body=body)
        with suppress(SettingsError):  # the session has just ended, and so has its time
            await self._gateway.membership.ask(asked)

    async def _measured(self) -> Sequence[MeasuredTurn]:
        return await self._gateway.membership.ask(GetTurns(attempt=self._attempt, session=self._io.id))
