"""One open session, on the I/O thread: what it received, what is awaited, what it sends, and why it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.locks import Condition
from asyncio.tasks import ensure_future, shield, sleep, wait_for
from collections.abc import Awaitable, Callable, Mapping
from json import dumps
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.expectations import is_of_user, listed, matches, unanswered, unended, why_none
from pytest_dgbudget.client.saved_audio import save_audio
from pytest_dgbudget.client.turns import Turn, end_of_turn, reply_of
from pytest_dgbudget.client.user_audio import UserAudio
from pytest_dgbudget.control.io_thread import FromHandler
from pytest_dgbudget.errors import AgentError, DgBudgetError, ExpectTimeout
from pytest_dgbudget.recording.audio_file import format_in
from pytest_dgbudget.rules.vendor_messages import (
    ConversationText,
    ErrorMessage,
    FunctionCall,
    FunctionCallRequest,
    InjectionRefused,
    Message,
    Welcome,
    parse,
)

# The vendor's documentation: one KeepAlive every 8 s, only while no audio is sent.
_KEEP_ALIVE_SECONDS = 8
# How long the agent may take for its Welcome and SettingsApplied.
_READY_SECONDS = 10

_LEAD_TO_HANDLERS = {"asyncio", "concurrent", "pytest_dgbudget", "threading", "trio"}

T = TypeVar("T")
Handler = Callable[[FunctionCall], Awaitable[Any]]


class SessionIO:
    """Its coroutines run on the I/O thread. ``why_closed`` turns a close into the error that users see.

    ``skips_time`` and ``is_emulated`` are those of UserAudio.
    """

    def __init__(
        self,
        websocket: ClientConnection,
        session_id: str,
        settings: Mapping[str, Any],
        why_closed: Callable[[ConnectionClosed], Awaitable[DgBudgetError]],
        *,
        skips_time: bool = False,
        is_emulated: bool = False,
        ready_seconds: float = _READY_SECONDS,
        keep_alive_seconds: float = _KEEP_ALIVE_SECONDS,
    ) -> None:
        self.id = session_id
        self.request_id: str | None = None
        self.messages: list[Message] = []
        self.audio = bytearray()
        self._websocket = websocket
        self._settings = settings
        self._why_closed = why_closed
        self._ready_seconds = ready_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._audio_before: list[int] = []
        self._looked_at = 0
        self._handlers: dict[str, Handler] = {}
        self._handler_error: FromHandler | None = None
        self._closed: DgBudgetError | None = None
        self._news = Condition()
        self._user_audio = UserAudio(settings, self._send, websocket, skips_time=skips_time, is_emulated=is_emulated)
        self._answering: set[asyncio.Task[None]] = set()
        self._reading = ensure_future(self._read())
        self._keeping_alive: asyncio.Future[None] | None = None

    async def begin(self) -> None:
        """Wait until it is ready to talk: Welcome, Settings, SettingsApplied.

        Raises AgentError, ExpectTimeout, or the error of its close.
        """
        welcome = await self._first("Welcome")
        self.request_id = welcome.request_id if isinstance(welcome, Welcome) else None
        await self.send(self._settings)
        self._keeping_alive = ensure_future(self._keep_alive())  # nothing may be sent before Settings
        await self._first("SettingsApplied")

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Send a message, or audio as bytes."""
        if isinstance(message, bytes):
            await self._user_audio.send(message)
        else:
            await self._send(message if isinstance(message, str) else dumps(message))

    async def _send(self, data: str | bytes) -> None:
        self._raise_if_over()
        try:
            await self._websocket.send(data)
        except ConnectionClosed:
            await shield(self._reading)
            self._raise_if_over()

    @property
    def user_audio(self) -> UserAudio:
        """What the user says, for whoever has the source of it."""
        return self._user_audio

    def save_audio(self, path: str | os.PathLike[str]) -> Path:
        """Write the agent's audio so far."""
        return save_audio(path, bytes(self.audio), *format_in(self._settings, "output"))

    async def say(self, text: str, timeout: float) -> Turn:
        """Inject a user message and wait for the whole reply."""
        start = len(self.messages)
        agent = self._settings.get("agent")
        greeting = str(agent.get("greeting") or "") if isinstance(agent, Mapping) else ""
        await self.send({"type": "InjectUserMessage", "content": text})

        def whole() -> int | None:
            self._raise_if_refused(start)
            return end_of_turn(self.messages[start:], text, greeting)

        length = await self._until(whole, timeout, f"reply from the agent to {text!r}", start)
        end = self._looked_at = start + length
        messages = tuple(self.messages[start:end])
        reply = reply_of(messages, text, greeting)
        return Turn(text=text, reply=reply, audio=self._audio_of(start, end), messages=messages)

    async def expect(self, kind: str, fields: Mapping[str, Any], timeout: float) -> Message:
        """Return the next message of a kind that has these fields, from those not looked at yet or to come."""
        start = self._looked_at

        def found() -> int | None:
            for position in range(start, len(self.messages)):
                if matches(self.messages[position], kind, fields):
                    return position
            return None

        described = ", ".join([kind, *(f"{name}={value!r}" for name, value in fields.items())])
        try:
            position = await self._until(found, timeout, described, start)
        except ExpectTimeout as error:
            raise ExpectTimeout(f"{error}{why_none(self.messages[:start], kind, fields)}") from None
        self._looked_at = position + 1
        return self.messages[position]

    def transcript(self) -> list[ConversationText]:
        return [message for message in self.messages if isinstance(message, ConversationText)]

    def last_error(self) -> ErrorMessage | None:
        """Return the Error that the agent sent last, if it did."""
        return next((m for m in reversed(self.messages) if isinstance(m, ErrorMessage)), None)

    def on_function(self, name: str, handler: Handler) -> None:
        self._handlers[name] = handler

    async def close(self) -> None:
        """Close, and return when the vendor's side is closed as well."""
        self._stop_keeping_alive()
        self._user_audio.stop()
        await self._websocket.close()
        await shield(self._reading)
        for task in self._answering:
            task.cancel()

    def raise_handler_error(self) -> None:
        """Raise what a function handler raised, once, as FromHandler."""
        error, self._handler_error = self._handler_error, None
        if error is not None:
            raise error

    # Received ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Always drain: unread messages make a close wait for its whole timeout."""
        try:
            while True:
                self._received(await self._websocket.recv())
                await self._notify()
        except ConnectionClosed as closed:
            self._stop_keeping_alive()
            self._user_audio.stop()
            self._closed = await self._why_closed(closed)
        await self._notify()

    def _received(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.audio += data
            return
        try:
            message = parse(data)
        except ValueError:
            message = Message(type="", data={"unparsable": data})
        self._audio_before.append(len(self.audio))
        self.messages.append(message)
        if is_of_user(message):
            self._user_audio.stop()
        if isinstance(message, FunctionCallRequest):
            for call in message.functions:
                if call.client_side and call.name in self._handlers:
                    task = ensure_future(self._answer(call))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)

    async def _answer(self, call: FunctionCall) -> None:
        try:
            result = await self._handlers[call.name](call)
            content = result if isinstance(result, str) else dumps(result)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # pytest.fail() and pytest.skip() are no Exceptions
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"raised by the handler of the function {call.name!r}")
            self._handler_error = self._handler_error or FromHandler(error, _of_the_handler(error))
            content = dumps({"error": "the function failed"})
            await self._notify()
        response = {"type": "FunctionCallResponse", "id": call.id, "name": call.name, "content": content}
        # A session that is over raises its error in the call that waits.
        with contextlib.suppress(ConnectionClosed):
            await self._websocket.send(dumps(response))

    async def _keep_alive(self) -> None:
        while True:
            await sleep(self._keep_alive_seconds)
            if self._user_audio.quiet_seconds() >= self._keep_alive_seconds:
                try:
                    await self._websocket.send('{"type":"KeepAlive"}')
                except ConnectionClosed:
                    return

    def _stop_keeping_alive(self) -> None:
        if self._keeping_alive is not None:
            self._keeping_alive.cancel()

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    # Awaited ----------------------------------------------------------------------------------------------

    async def _first(self, kind: str) -> Message:
        def came() -> Message | None:
            for message in self.messages:
                if isinstance(message, ErrorMessage):
                    raise _agent_error(message)
                if message.type == kind:
                    return message
            return None

        return await self._until(came, self._ready_seconds, kind, 0)

    async def _until(self, look: Callable[[], T | None], timeout: float, described: str, start: int) -> T:
        """Wait until ``look`` finds something; raises ExpectTimeout with what came instead."""

        async def wait() -> T:
            async with self._news:
                while (found := look()) is None:
                    self._raise_if_over()
                    await self._news.wait()
                return found

        if (found := look()) is not None:
            return found
        try:
            return await wait_for(wait(), timeout)
        except (TimeoutError, asyncio.TimeoutError):
            came, quiet = self.messages[start:], self._user_audio.quiet_seconds()
            why = f"{unanswered(came, self._handlers)}{unended(self.messages, quiet)}"
            raise ExpectTimeout(f"no {described} within {timeout:g} s; came instead: {listed(came)}{why}") from None

    def _raise_if_over(self) -> None:
        self.raise_handler_error()
        if self._closed is not None:
            raise self._closed

    def _raise_if_refused(self, start: int) -> None:
        for message in self.messages[start:]:
            if isinstance(message, ErrorMessage):
                raise _agent_error(message)
            if isinstance(message, InjectionRefused):
                raise AgentError(
                    f"the agent refused the message: {message.message}",
                    code="InjectionRefused",
                    description=message.message,
                )

    def _audio_of(self, start: int, end: int) -> bytes:
        return bytes(self.audio[self._audio_before[start] : self._audio_before[end - 1]])


def _of_the_handler(error: BaseException) -> TracebackType | None:
    """Return an error's traceback without the frames that led to the handler."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None and _leads_there(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


def _leads_there(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _LEAD_TO_HANDLERS


def _agent_error(message: ErrorMessage) -> AgentError:
    return AgentError(
        f"the agent sent an Error: {message.code}: {message.description}",
        code=message.code,
        description=message.description,
    )
