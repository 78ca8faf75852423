"""The session of an async test."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any, Literal, TypeVar, overload

from pytest_dgbudget.client.audio import AsyncAudioSource, Speed, audio_piece
from pytest_dgbudget.client.session_base import (
    BEFORE_BARGE_IN,
    EVENT,
    REPLY,
    TRAILING,
    Behavior,
    Replaced,
    SessionBase,
    Timeout,
    bound,
    checked_name,
    expectation,
    in_seconds,
)
from pytest_dgbudget.client.turns import Interruption, Turn
from pytest_dgbudget.control.io_thread import HandlerLoop
from pytest_dgbudget.rules.vendor_messages import (
    ConversationText,
    ErrorMessage,
    FunctionCall,
    FunctionCallCancelled,
    FunctionCallRequest,
    InjectionRefused,
    Message,
    MessageType,
    WarningMessage,
    Welcome,
)

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

F = TypeVar("F", bound=Callable[..., Any])


class AsyncSession(SessionBase):
    """One Voice Agent session of an async test, from ``voice_agent.connect()``. It is billed while it is open."""

    async def say(self, text: str, *, timeout: Timeout = REPLY) -> Turn:
        """Inject a user message and wait for the agent's whole reply, at most ``timeout`` (seconds, or "5s").

        Raises ExpectTimeout with what came instead, AgentError if the agent sends an Error or refuses the message,
        BudgetExceeded and SessionClosed if the session ends meanwhile, and what a function handler raised.
        """
        return await self._thread.cross(self._conversation.say(text, in_seconds(timeout)))

    async def send_audio(
        self,
        source: AsyncAudioSource,
        *,
        pace: Speed = "of the target",
        trailing: Timeout = TRAILING,
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
        with self._user_part(pace, trailing) as part:
            if isinstance(source, AsyncIterable):
                async for piece in source:
                    await self._thread.cross(part.add(audio_piece(piece)))
            else:
                for piece in self._io.user_audio.pieces(source, may_resample=resample):
                    await self._thread.cross(part.add(piece))
            await self._thread.cross(part.end())

    async def say_aloud(
        self,
        text: str,
        *,
        recording: AsyncAudioSource | None = None,
        pace: Speed = "of the target",
        trailing: Timeout = TRAILING,
        resample: bool = False,
    ) -> None:
        """Speak a text as user audio, and return when the last of it was spoken.

        An emulator hears these words in audio that sounds like speech, 15 characters a second. Elsewhere ``recording``
        is sent, any source of ``send_audio``, of somebody who says them. The rest is as with ``send_audio``.

        Raises SettingsError without a recording where one is needed, and where audio.input is compressed.
        """
        source: AsyncAudioSource = self._io.user_audio.aloud(text, recording)
        await self.send_audio(source, pace=pace, trailing=trailing, resample=resample)

    async def wait_for_reply(self, *, timeout: Timeout = REPLY) -> Turn:
        """Wait for the agent's whole reply to what was said aloud last, from the transcript of that on.

        Raises what ``say`` raises. Where audio was sent by ``send``, it is the reply to what comes next.
        """
        return await self._thread.cross(self._conversation.wait_for_reply(in_seconds(timeout)))

    async def wait_until_silent(self, *, timeout: Timeout = REPLY) -> None:
        """Wait until the agent has said its greeting, or its answer to the user, and a listener has heard it.

        The agent sends faster than it speaks: AgentAudioDone comes up to seconds before its last word is heard. At pace
        max nobody listens, and AgentAudioDone is enough. Returns at once if nothing is due. After the user has spoken,
        the agent is given 3 s to take that up. Raises ExpectTimeout, and what the session ended with.
        """
        await self._thread.cross(self._conversation.wait_until_silent(in_seconds(timeout)))

    async def wait_until_speaking(self, heard_for: Timeout = 0.0, *, timeout: Timeout = REPLY) -> None:
        """Wait until the agent is heard, or has been heard for ``heard_for`` (seconds, or "500ms").

        Raises ExpectTimeout if it is not heard within ``timeout``, or stops before.
        """
        await self._thread.cross(self._conversation.wait_until_speaking(in_seconds(heard_for), in_seconds(timeout)))

    async def barge_in(
        self,
        text: str,
        *,
        recording: AsyncAudioSource | None = None,
        after: Timeout = BEFORE_BARGE_IN,
        timeout: Timeout = EVENT,
    ) -> Interruption:
        """Speak a text while the agent speaks, and return what became of the agent's reply.

        Waits until the agent has been heard for ``after``, speaks as ``say_aloud`` does, and waits until the agent has
        taken up what was said; ``timeout`` bounds each wait for the agent. The answer to it is ``wait_for_reply``'s.
        Raises ExpectTimeout if the agent does not speak for so long, or does not notice; SettingsError at pace max, and
        where ``say_aloud`` raises it.
        """
        begun = await self._thread.cross(self._conversation.before_barge_in(in_seconds(after), in_seconds(timeout)))
        await self.say_aloud(text, recording=recording)
        return await self._thread.cross(self._conversation.after_barge_in(begun, in_seconds(timeout)))

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Send any message: a mapping becomes JSON, bytes are audio. Raises what the session ended with."""
        await self._thread.cross(self._io.send(message))

    async def update_prompt(self, prompt: str, *, timeout: Timeout = EVENT) -> None:
        """Send UpdatePrompt and wait for PromptUpdated. The service appends it to the prompt that it has.

        Raises AgentError, ExpectTimeout.
        """
        await self._thread.cross(self._conversation.update("UpdatePrompt", {"prompt": prompt}, in_seconds(timeout)))

    async def update_speak(self, speak: Replaced, *, timeout: Timeout = EVENT) -> None:
        """Send UpdateSpeak with a new ``agent.speak`` and wait for SpeakUpdated. Raises AgentError, ExpectTimeout."""
        await self._thread.cross(self._conversation.update("UpdateSpeak", {"speak": speak}, in_seconds(timeout)))

    async def update_think(self, think: Replaced, *, timeout: Timeout = EVENT) -> None:
        """Send UpdateThink with a new ``agent.think``, in the place of all of it, and wait for ThinkUpdated.

        Raises AgentError, ExpectTimeout.
        """
        await self._thread.cross(self._conversation.update("UpdateThink", {"think": think}, in_seconds(timeout)))

    async def update_listen(self, listen: Mapping[str, Any], *, timeout: Timeout = EVENT) -> None:
        """Send UpdateListen and wait for ListenUpdated; what it does not name stays.

        Raises AgentError, ExpectTimeout.
        """
        await self._thread.cross(self._conversation.update("UpdateListen", {"listen": listen}, in_seconds(timeout)))

    async def inject_agent_message(
        self, message: str, *, behavior: Behavior | None = None, timeout: Timeout = REPLY
    ) -> Turn:
        """Have the agent say ``message``, and wait until it has sent all of it; ``behavior`` is the vendor's field.

        Raises AgentError (``code`` InjectionRefused) if it doesn't take it, ExpectTimeout.
        """
        return await self._thread.cross(self._conversation.inject_agent_message(message, behavior, in_seconds(timeout)))

    @overload
    async def expect(
        self,
        type: Literal["Welcome"],
        predicate: Callable[[Welcome], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> Welcome: ...

    @overload
    async def expect(
        self,
        type: Literal["ConversationText"],
        predicate: Callable[[ConversationText], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> ConversationText: ...

    @overload
    async def expect(
        self,
        type: Literal["FunctionCallRequest"],
        predicate: Callable[[FunctionCallRequest], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> FunctionCallRequest: ...

    @overload
    async def expect(
        self,
        type: Literal["FunctionCallCancelled"],
        predicate: Callable[[FunctionCallCancelled], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> FunctionCallCancelled: ...

    @overload
    async def expect(
        self,
        type: Literal["InjectionRefused"],
        predicate: Callable[[InjectionRefused], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> InjectionRefused: ...

    @overload
    async def expect(
        self,
        type: Literal["Error"],
        predicate: Callable[[ErrorMessage], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> ErrorMessage: ...

    @overload
    async def expect(
        self,
        type: Literal["Warning"],
        predicate: Callable[[WarningMessage], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> WarningMessage: ...

    @overload
    async def expect(
        self,
        type: MessageType | str,
        predicate: Callable[[Message], object] | None = None,
        *,
        timeout: Timeout = ...,
        **fields: Any,
    ) -> Message: ...

    async def expect(
        self,
        type: MessageType | str,  # noqa: A002 - the vendor's name
        predicate: Callable[[Any], object] | None = None,
        *,
        timeout: Timeout = EVENT,
        **fields: Any,
    ) -> Message:
        """Return the next message of this type that is as expected, and wait up to ``timeout`` for it.

        Each field must equal its value; a compiled pattern must be found in it, and a function of one argument must
        return something true for it. ``predicate`` is asked of the whole message, on a thread of ours.

        Looks at what has arrived since the last ``say``, ``wait_for_reply``, ``barge_in``, ``inject_agent_message`` or
        ``expect`` returned, and at what comes. Raises ExpectTimeout, which lists what came instead, what the session
        ended with, and what a predicate raises.
        """
        expected = expectation(type, predicate, fields)
        return await self._thread.cross(self._conversation.expect(expected, in_seconds(timeout)))

    def on_function(self, name: str) -> Callable[[F], F]:
        """Answer the agent's calls of a function: ``@session.on_function("lookup")``.

        The handler gets the call's arguments as keywords, runs in the test's own loop, may be async, and returns a
        string or anything that JSON can represent. Arguments that the function's ``parameters`` in the settings don't
        allow never reach it: they raise BadFunctionCall. That, and what the handler raises, is raised by the session
        method that is waiting, or else by the next one or at the end of ``with``. When the agent cancels a call, the
        handler is cancelled.
        """
        loop = HandlerLoop()

        function = checked_name(name)

        def register(handler: F) -> F:
            async def answer(call: FunctionCall) -> Any:
                return await loop.run(bound(handler, call))

            self._io.functions.register(function, answer)
            return handler

        return register

    async def close(self) -> None:
        """Close the session; when this returns, the vendor's side is closed. May be called again.

        Raises what a function handler raised and nobody was told of yet.
        """
        await self._thread.cross(self._conversation.close())
