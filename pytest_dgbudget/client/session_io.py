"""One open session, on the I/O thread: what it received, what is awaited, what it sends, and why it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
from asyncio.events import get_running_loop
from asyncio.locks import Condition
from asyncio.tasks import ensure_future, shield, sleep, wait_for
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from json import dumps
from types import FrameType, TracebackType
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.audio import AudioSource, read_audio, send_paced
from pytest_dgbudget.client.turns import Turn, end_of_turn, reply_of
from pytest_dgbudget.control.io_thread import FromHandler
from pytest_dgbudget.errors import AgentError, DgBudgetError, ExpectTimeout
from pytest_dgbudget.rules.audio import audio_format
from pytest_dgbudget.rules.vendor_messages import (
    SERVER_TYPES,
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
# How many of the messages that did come an ExpectTimeout lists.
_MOST_LISTED = 50

_LEAD_TO_HANDLERS = {"asyncio", "concurrent", "pytest_dgbudget", "threading", "trio"}

T = TypeVar("T")
Handler = Callable[[FunctionCall], Awaitable[Any]]


class SessionIO:
    """Its coroutines run on the I/O thread. ``why_closed`` turns a close into the error that users see."""

    def __init__(
        self,
        websocket: ClientConnection,
        session_id: str,
        settings: Mapping[str, Any],
        why_closed: Callable[[ConnectionClosed], Awaitable[DgBudgetError]],
        *,
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
        self._last_audio = 0.0
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
        self._raise_if_over()
        if isinstance(message, bytes):
            self._last_audio = get_running_loop().time()
        try:
            await self._websocket.send(message if isinstance(message, (str, bytes)) else dumps(message))
        except ConnectionClosed:
            await shield(self._reading)
            self._raise_if_over()

    async def send_audio(self, source: AudioSource, pace: float | None) -> None:
        format_ = audio_format(self._settings, "input")
        await send_paced(read_audio(source, format_), format_, self.send, pace)

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
                if _matches(self.messages[position], kind, fields):
                    return position
            return None

        described = ", ".join([kind, *(f"{name}={value!r}" for name, value in fields.items())])
        try:
            position = await self._until(found, timeout, described, start)
        except ExpectTimeout as error:
            raise ExpectTimeout(f"{error}{self._why_none(kind, fields, start)}") from None
        self._looked_at = position + 1
        return self.messages[position]

    def _why_none(self, kind: str, fields: Mapping[str, Any], start: int) -> str:
        """Return what may be wrong with an expectation that was not met."""
        if any(_matches(message, kind, fields) for message in self.messages[:start]):
            return "; one came earlier, and the last say or expect has passed it: it is in events()"
        if kind not in SERVER_TYPES:
            likely = "".join(f"; did you mean {name}?" for name in get_close_matches(kind, sorted(SERVER_TYPES), n=1))
            return f"; Deepgram documents no message of the type {kind!r}{likely}"
        return ""

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
        loop = get_running_loop()
        while True:
            await sleep(self._keep_alive_seconds)
            if loop.time() - self._last_audio >= self._keep_alive_seconds:
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
            came = _listed(self.messages[start:])
            unanswered = self._unanswered(self.messages[start:])
            raise ExpectTimeout(f"no {described} within {timeout:g} s; came instead: {came}{unanswered}") from None

    def _unanswered(self, messages: Sequence[Message]) -> str:
        """Name the functions that the agent may be waiting for."""
        requests = (message for message in messages if isinstance(message, FunctionCallRequest))
        calls = (call for request in requests for call in request.functions if call.client_side)
        names = sorted({call.name for call in calls} - self._handlers.keys())
        return f"; no handler answers {', '.join(names)}: register one for each with on_function" if names else ""

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


def _listed(messages: Sequence[Message]) -> str:
    """List what was received; of a flood, the last messages only."""
    listed = ", ".join(_brief(message) for message in messages[-_MOST_LISTED:]) or "nothing"
    earlier = len(messages) - _MOST_LISTED
    return f"{listed} (and {earlier} earlier)" if earlier > 0 else listed


def _matches(message: Message, kind: str, fields: Mapping[str, Any]) -> bool:
    return message.type == kind and all(_is(message.data.get(name), value) for name, value in fields.items())


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    return bool(value == wanted)


def _brief(message: Message) -> str:
    if isinstance(message, ConversationText):
        return f"ConversationText({message.role}: {message.content[:60]!r})"
    if isinstance(message, ErrorMessage):
        return f"Error({message.code}: {message.description})"
    return message.type or f"unparsable {str(message.data.get('unparsable'))[:60]!r}"


def _agent_error(message: ErrorMessage) -> AgentError:
    return AgentError(
        f"the agent sent an Error: {message.code}: {message.description}",
        code=message.code,
        description=message.description,
    )
