"""One open session, on the I/O thread: what it receives, what it sends, and why it ended."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.events import get_running_loop
from asyncio.locks import Condition
from asyncio.tasks import ensure_future, shield, sleep, wait_for
from collections.abc import Awaitable, Callable, Mapping
from json import dumps, loads
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pytest_dgbudget.client.expectations import listed, unanswered, unended
from pytest_dgbudget.client.functions import FunctionHandlers
from pytest_dgbudget.client.received import Received, is_of_user
from pytest_dgbudget.client.turns import calls_in
from pytest_dgbudget.client.user_audio import UserAudio
from pytest_dgbudget.control.io_thread import FromHandler
from pytest_dgbudget.errors import AgentError, DgBudgetError, ExpectTimeout
from pytest_dgbudget.rules.vendor_messages import ErrorMessage, Message, Welcome

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# The vendor's documentation: one KeepAlive every 8 s, only while no audio is sent.
_KEEP_ALIVE_SECONDS = 8
# How long the agent may take for its Welcome and SettingsApplied.
_READY_SECONDS = 10

# Client messages, of all the texts that a test may send.
_NOTED = ("UpdateThink", "InjectUserMessage", "InjectAgentMessage", "FunctionCallResponse")

T = TypeVar("T")


class SessionIO:
    """Its coroutines run on the I/O thread. ``why_closed`` turns a close into the error that users see.

    ``skips_time``, ``is_emulated`` and ``is_replayed`` are those of UserAudio.
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
        is_replayed: bool = False,
        ready_seconds: float = _READY_SECONDS,
        keep_alive_seconds: float = _KEEP_ALIVE_SECONDS,
    ) -> None:
        self.id = session_id
        self.request_id: str | None = None
        self.settings = settings
        self.skips_time = skips_time
        self.is_replayed = is_replayed
        self.received = Received(settings)
        self.functions = FunctionHandlers(settings, self._answer, self._handler_failed)
        self.user_audio = UserAudio(
            settings,
            self._send,
            websocket,
            skips_time=skips_time,
            is_emulated=is_emulated,
            is_replayed=is_replayed,
        )
        self._websocket = websocket
        self._opened = get_running_loop().time()
        self._why_closed = why_closed
        self._ready_seconds = ready_seconds
        self._keep_alive_seconds = keep_alive_seconds
        self._handler_error: FromHandler | None = None
        self._closed: DgBudgetError | None = None
        self._news = Condition()
        self._reading = ensure_future(self._read())
        self._keeping_alive: asyncio.Future[None] | None = None

    def now(self) -> float:
        """Seconds since the session opened."""
        return get_running_loop().time() - self._opened

    async def begin(self) -> None:
        """Wait until it is ready to talk: Welcome, Settings, SettingsApplied.

        Raises AgentError, ExpectTimeout, or the error of its close.
        """
        welcome = await self._first("Welcome")
        self.request_id = welcome.request_id if isinstance(welcome, Welcome) else None
        await self.send(self.settings)
        self._keeping_alive = ensure_future(self._keep_alive())  # nothing may be sent before Settings
        await self._first("SettingsApplied")

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Send a message, or audio as bytes."""
        if isinstance(message, bytes):
            self.user_audio.stop()
            await self.user_audio.send(message)
            return
        text = message if isinstance(message, str) else dumps(message)
        self._note(text)
        await self._send(text)

    async def close(self) -> None:
        """Close, and return when the vendor's side is closed as well."""
        self._stop_keeping_alive()
        self.user_audio.stop()
        await self._websocket.close()
        await shield(self._reading)
        self.functions.stop()

    async def until(
        self, look: Callable[[], T | None], timeout: float, described: str, start: int, why: Callable[[], str] = str
    ) -> T:
        """Wait until ``look`` finds something; raises ExpectTimeout with what came from the position ``start`` on.

        ``why`` returns what else may be wrong.
        """

        async def wait() -> T:
            async with self._news:
                while (found := look()) is None:
                    self.raise_if_over()
                    await self._news.wait()
                return found

        if (found := look()) is not None:
            return found
        try:
            return await wait_for(wait(), timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise self.missed(described, timeout, start, why()) from None

    def missed(self, described: str, timeout: float, start: int, why: str = "") -> ExpectTimeout:
        """Return the error for what did not come."""
        why = f"no {described} within {round(timeout, 2):g} s{why}{self._why_nothing(start)}"
        return ExpectTimeout(f"{why}; came instead: {listed(self.received.timeline(start))}")

    async def news_until(self, at: float) -> None:
        """Wait until something has come, or until this moment of the session."""

        async def news() -> None:
            async with self._news:
                await self._news.wait()

        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            await wait_for(news(), max(0.0, at - self.now()))

    def raise_if_over(self) -> None:
        """Raise what a handler raised, or why the session ended."""
        self.raise_handler_error()
        if self._closed is not None:
            raise self._closed

    def raise_handler_error(self) -> None:
        """Raise what a function handler raised, once, as FromHandler."""
        error, self._handler_error = self._handler_error, None
        if error is not None:
            raise error

    async def _send(self, data: str | bytes) -> None:
        self.raise_if_over()
        try:
            await self._websocket.send(data)
        except ConnectionClosed:
            await shield(self._reading)
            self.raise_if_over()

    async def _answer(self, response: str) -> None:
        # A session that is over raises its error in the call that waits.
        with contextlib.suppress(ConnectionClosed):
            await self._websocket.send(response)

    async def _handler_failed(self, error: FromHandler) -> None:
        self._handler_error = self._handler_error or error
        await self._notify()

    def _note(self, text: str) -> None:
        """Take note of a message that changes what is to come."""
        if not any(kind in text for kind in _NOTED):
            return
        with contextlib.suppress(ValueError, RecursionError):
            message = loads(text)
            kind = message.get("type") if isinstance(message, Mapping) else None
            if kind == "UpdateThink":
                self.functions.declare(message)
            elif kind == "FunctionCallResponse":
                self.functions.answered(str(message.get("id")))
            elif kind == "InjectUserMessage":
                self.received.heard.text_injected()
            elif kind == "InjectAgentMessage":
                self.received.heard.agent_message_injected()

    # Received ------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Always drain: unread messages make a close wait for its whole timeout."""
        try:
            while True:
                self._take(await self._websocket.recv())
                await self._notify()
        except ConnectionClosed as closed:
            self._stop_keeping_alive()
            self.user_audio.stop()
            self._closed = await self._why_closed(closed)
        await self._notify()

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.received.take_audio(data, self.now())
            return
        message = self.received.take_text(data, self.now())
        if is_of_user(message):
            self.user_audio.stop()
        self.functions.received(message)

    async def _first(self, kind: str) -> Message:
        def came() -> Message | None:
            for message in self.received.messages:
                if isinstance(message, ErrorMessage):
                    raise agent_error(message)
                if message.type == kind:
                    return message
            return None

        return await self.until(came, self._ready_seconds, kind, 0)

    def _why_nothing(self, start: int) -> str:
        messages, quiet = self.received.messages, self.user_audio.quiet_seconds()
        calls = [call for call in calls_in(messages[start:]) if call.client_side]
        names = {call.name for call in calls if not self.functions.answers(call)}
        return f"{unanswered(names)}{self.functions.still_running()}{unended(messages, quiet)}"

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _keep_alive(self) -> None:
        sent_at = self.now()
        while True:
            spoke_at = self.now() - (self.user_audio.quiet_seconds() or self.now())
            rest = max(sent_at, spoke_at) + self._keep_alive_seconds - self.now()
            if rest > 0:
                await sleep(rest)
                continue
            try:
                await self._websocket.send('{"type":"KeepAlive"}')
            except ConnectionClosed:
                return
            sent_at = self.now()

    def _stop_keeping_alive(self) -> None:
        if self._keeping_alive is not None:
            self._keeping_alive.cancel()


def agent_error(message: ErrorMessage) -> AgentError:
    """Return the error for an Error of the agent's."""
    return AgentError(
        f"the agent sent an Error: {message.code}: {message.description}",
        code=message.code,
        description=message.description,
    )
