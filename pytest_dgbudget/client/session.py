"""One open session: ``AsyncSession`` for async tests (asyncio and trio), ``Session`` for sync ones."""

from __future__ import annotations

import os
from asyncio.runners import run
from asyncio.threads import to_thread
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from json import loads
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from pytest_dgbudget.client.audio import AsyncAudioSource, AudioSource, Speed, audio_piece
from pytest_dgbudget.client.session_io import SessionIO
from pytest_dgbudget.client.turns import Turn
from pytest_dgbudget.client.user_audio import UserPart
from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.control.io_thread import HandlerLoop
from pytest_dgbudget.errors import ProtocolViolated
from pytest_dgbudget.model import Usage
from pytest_dgbudget.protocol.operations import GetUsage, GetViolations
from pytest_dgbudget.rules.vendor_messages import (
    ConversationText,
    ErrorMessage,
    FunctionCall,
    FunctionCallRequest,
    InjectionRefused,
    Message,
    MessageType,
    WarningMessage,
    Welcome,
)
from pytest_dgbudget.units import parse_time, seconds

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

F = TypeVar("F", bound=Callable[..., Any])
Timeout = str | float

_REPLY = "30s"
_EVENT = "10s"
_TRAILING = "3s"


def _seconds(timeout: Timeout) -> float:
    return seconds(parse_time(timeout)) if isinstance(timeout, str) else float(timeout)


def _bound(handler: Callable[..., Any], call: FunctionCall) -> Callable[[], Any]:
    """The call's JSON arguments become keyword arguments."""
    arguments = loads(call.arguments or "{}")
    return lambda: handler(**arguments)


def _completed(handler: Callable[[], Any]) -> Any:
    async def await_it() -> Any:
        return await result

    result = handler()
    return run(await_it()) if isinstance(result, Awaitable) else result


class SessionBase:
    """What a session knows without waiting, in async tests and sync ones alike."""

    def __init__(self, io: SessionIO, gateway: GatewayClient, attempt: str) -> None:
        self._io = io
        self._gateway = gateway
        self._attempt = attempt

    @property
    def request_id(self) -> str | None:
        """The vendor's key for this session, from its Welcome."""
        return self._io.request_id

    def events(self) -> list[Message]:
        """Return every message received so far, without audio."""
        return list(self._io.messages)

    @property
    def transcript(self) -> list[ConversationText]:
        """What was said so far, by both sides."""
        return self._io.transcript()

    @property
    def audio(self) -> bytes:
        """The agent's audio received so far, in the output format of Settings."""
        return bytes(self._io.audio)

    def save_audio(self, path: str | os.PathLike[str]) -> Path:
        """Write the agent's audio received so far to a file that players open, and return its path.

        linear16, mulaw and alaw become a WAV file, without the headers that each reply has in ``container: wav``;
        compressed audio is written as it came. Raises SettingsError when the path doesn't end as such a file does
        (``.wav``, ``.mp3`` …), OSError when it can't be written; folders are not made.
        """
        return self._io.save_audio(path)

    @contextmanager
    def _user_part(self, pace: Speed, trailing: Timeout) -> Iterator[UserPart]:
        """Give what takes the user's audio; it ends where its source fails."""
        part = self._io.user_audio.part(pace, _seconds(trailing))
        try:
            yield part
        except BaseException:
            self._gateway.io_thread.loop.call_soon_threadsafe(part.stop)
            raise

    def check_protocol(self) -> None:
        """Raise ProtocolViolated if this session's messages broke the protocol's order so far, or an Error came."""
        violations = self._gateway.ask(GetViolations(attempt=self._attempt, session=self._io.id))
        if violations:
            raise ProtocolViolated(violations)

    @property
    def usage(self) -> Usage:
        """What this session has used so far."""
        return self._gateway.ask(GetUsage(attempt=self._attempt, session=self._io.id))


class AsyncSession(SessionBase):
    """One Voice Agent session of an async test, from ``voice_agent.connect()``. It is billed while it is open."""

    async def say(self, text: str, *, timeout: Timeout = _REPLY) -> Turn:
        """Inject a user message and wait for the whole reply.

        Raises ExpectTimeout, AgentError, BudgetExceeded, SessionClosed, or what a function handler raised.
        """
        return await self._gateway.io_thread.cross(self._io.say(text, _seconds(timeout)))

    async def send_audio(
        self,
        source: AsyncAudioSource,
        *,
        pace: Speed = "of the target",
        trailing: Timeout = _TRAILING,
        resample: bool = False,
    ) -> None:
        """Send user audio, and return when the last of it was spoken.

        ``source`` is the path of a WAV file, an open binary file, bytes, or an iterable or async iterable of bytes,
        which is advanced here as it is spoken. What has no WAV header is raw audio in the format of ``audio.input`` in
        Settings. A WAV file is converted to that where it loses nothing; ``resample=True`` lets it change its sample
        rate and drop channels and bits as well.

        Without ``pace`` it goes in real time, at once where the emulator's pace is max; ``pace=1.0`` is always real
        time, ``None`` as fast as possible. Since a turn ends by audio that arrives, silence goes on in the background
        until the agent has taken the turn, at most ``trailing`` (at pace max up to 1 s of it, at once).

        Raises SettingsError for audio that doesn't fit, OSError for a file that can't be read, and what ``say`` raises.
        """
        cross = self._gateway.io_thread.cross
        with self._user_part(pace, trailing) as part:
            if isinstance(source, AsyncIterable):
                async for piece in source:
                    await cross(part.add(audio_piece(piece)))
            else:
                for piece in self._io.user_audio.pieces(source, may_resample=resample):
                    await cross(part.add(piece))
            await cross(part.end())

    async def say_aloud(
        self,
        text: str,
        *,
        recording: AsyncAudioSource | None = None,
        pace: Speed = "of the target",
        trailing: Timeout = _TRAILING,
        resample: bool = False,
    ) -> None:
        """Speak a text as user audio, and return when the last of it was spoken.

        An emulator hears these words in audio that sounds like speech, 15 characters a second. Elsewhere ``recording``
        is sent, any source of ``send_audio``, of somebody who says them. The rest is as with ``send_audio``.

        Raises SettingsError without a recording where one is needed, and where audio.input is compressed.
        """
        source: AsyncAudioSource = self._io.user_audio.aloud(text, recording)
        await self.send_audio(source, pace=pace, trailing=trailing, resample=resample)

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Send any message: a mapping becomes JSON, bytes are audio."""
        await self._gateway.io_thread.cross(self._io.send(message))

    @overload
    async def expect(self, type: Literal["Welcome"], *, timeout: Timeout = ..., **fields: Any) -> Welcome: ...

    @overload
    async def expect(
        self, type: Literal["ConversationText"], *, timeout: Timeout = ..., **fields: Any
    ) -> ConversationText: ...

    @overload
    async def expect(
        self, type: Literal["FunctionCallRequest"], *, timeout: Timeout = ..., **fields: Any
    ) -> FunctionCallRequest: ...

    @overload
    async def expect(
        self, type: Literal["InjectionRefused"], *, timeout: Timeout = ..., **fields: Any
    ) -> InjectionRefused: ...

    @overload
    async def expect(self, type: Literal["Error"], *, timeout: Timeout = ..., **fields: Any) -> ErrorMessage: ...

    @overload
    async def expect(self, type: Literal["Warning"], *, timeout: Timeout = ..., **fields: Any) -> WarningMessage: ...

    @overload
    async def expect(self, type: MessageType | str, *, timeout: Timeout = ..., **fields: Any) -> Message: ...

    async def expect(
        self,
        type: MessageType | str,  # noqa: A002 - the vendor's name
        *,
        timeout: Timeout = _EVENT,
        **fields: Any,
    ) -> Message:
        """Return the next message of this type whose fields equal (or, for a compiled pattern, match) those given.

        Looks at what has arrived since the last ``say`` or ``expect``, and waits for what comes. Raises ExpectTimeout.
        """
        return await self._gateway.io_thread.cross(self._io.expect(type, fields, _seconds(timeout)))

    def on_function(self, name: str) -> Callable[[F], F]:
        """Answer the agent's calls of a function: ``@session.on_function("lookup")``.

        The handler gets the call's arguments as keywords, runs in the test's own loop, may be async, and returns a
        string or anything that JSON can represent. Its exceptions are raised by the session method that is waiting, or
        else by the next one or at the end of ``with``.
        """
        loop = HandlerLoop()

        def register(handler: F) -> F:
            async def answer(call: FunctionCall) -> Any:
                return await loop.run(_bound(handler, call))

            self._io.on_function(name, answer)
            return handler

        return register

    async def close(self) -> None:
        """Close the session; when this returns, the vendor's side is closed. May be called again."""
        await self._gateway.io_thread.cross(self._io.close())


class Session(SessionBase):
    """One Voice Agent session of a sync test; see AsyncSession for what each method does and raises."""

    def say(self, text: str, *, timeout: Timeout = _REPLY) -> Turn:
        """Inject a user message and wait for the whole reply."""
        return self._gateway.io_thread.run(self._io.say(text, _seconds(timeout)))

    def send_audio(
        self,
        source: AudioSource,
        *,
        pace: Speed = "of the target",
        trailing: Timeout = _TRAILING,
        resample: bool = False,
    ) -> None:
        """Send user audio, and return when the last of it was spoken; async iterables need an async test."""
        run = self._gateway.io_thread.run
        with self._user_part(pace, trailing) as part:
            for piece in self._io.user_audio.pieces(source, may_resample=resample):
                run(part.add(piece))
            run(part.end())

    def say_aloud(
        self,
        text: str,
        *,
        recording: AudioSource | None = None,
        pace: Speed = "of the target",
        trailing: Timeout = _TRAILING,
        resample: bool = False,
    ) -> None:
        """Speak a text as user audio, which an emulator hears; elsewhere ``recording`` is sent."""
        source: AudioSource = self._io.user_audio.aloud(text, recording)
        self.send_audio(source, pace=pace, trailing=trailing, resample=resample)

    def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Send any message: a mapping becomes JSON, bytes are audio."""
        self._gateway.io_thread.run(self._io.send(message))

    @overload
    def expect(self, type: Literal["Welcome"], *, timeout: Timeout = ..., **fields: Any) -> Welcome: ...

    @overload
    def expect(
        self, type: Literal["ConversationText"], *, timeout: Timeout = ..., **fields: Any
    ) -> ConversationText: ...

    @overload
    def expect(
        self, type: Literal["FunctionCallRequest"], *, timeout: Timeout = ..., **fields: Any
    ) -> FunctionCallRequest: ...

    @overload
    def expect(
        self, type: Literal["InjectionRefused"], *, timeout: Timeout = ..., **fields: Any
    ) -> InjectionRefused: ...

    @overload
    def expect(self, type: Literal["Error"], *, timeout: Timeout = ..., **fields: Any) -> ErrorMessage: ...

    @overload
    def expect(self, type: Literal["Warning"], *, timeout: Timeout = ..., **fields: Any) -> WarningMessage: ...

    @overload
    def expect(self, type: MessageType | str, *, timeout: Timeout = ..., **fields: Any) -> Message: ...

    def expect(
        self,
        type: MessageType | str,  # noqa: A002 - the vendor's name
        *,
        timeout: Timeout = _EVENT,
        **fields: Any,
    ) -> Message:
        """Return the next message of this type with these fields."""
        return self._gateway.io_thread.run(self._io.expect(type, fields, _seconds(timeout)))

    def on_function(self, name: str) -> Callable[[F], F]:
        """Answer the agent's calls of a function; the handler runs on a worker thread, an async one in a loop there."""

        def register(handler: F) -> F:
            async def answer(call: FunctionCall) -> Any:
                return await to_thread(_completed, _bound(handler, call))

            self._io.on_function(name, answer)
            return handler

        return register

    def close(self) -> None:
        """Close the session; when this returns, the vendor's side is closed. May be called again."""
        self._gateway.io_thread.run(self._io.close())
