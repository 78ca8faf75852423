"""The client's side of one session: what it may send and when, and what each message leads to.

Facts: the vendor's AsyncAPI file of 2026-07-22, its pages "Message Flow", "Errors & Warnings", "Inject Agent",
"Function Call Response" and "Function Call Cancelled", and recordings of live sessions. docs/emulator-fidelity.md has
the sources.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from pytest_dgbudget.emulator.agent import dialogue, providers
from pytest_dgbudget.emulator.agent.client_messages import parse, present, text_of, unparsable
from pytest_dgbudget.emulator.agent.dialogue import Turn
from pytest_dgbudget.emulator.agent.limits import SessionTimer
from pytest_dgbudget.emulator.agent.message_writer import FunctionCall, MessageWriter, Send, Trigger
from pytest_dgbudget.emulator.agent.settings import NO_THINK_LIVE, SettingsReader, Setup, prompt_notices
from pytest_dgbudget.emulator.agent.speaker import Speaker
from pytest_dgbudget.emulator.agent.user_speech import UserSpeech
from pytest_dgbudget.emulator.audio.voice_activity import SpeechEnded, SpeechStarted
from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.codes import NOT_EMULATED, ProtocolError
from pytest_dgbudget.emulator.project.agents import AgentLookup
from pytest_dgbudget.emulator.scenarios.scenario import Script
from pytest_dgbudget.emulator.session_clock import SessionClock

_MERGED_WITHIN = 0.002  # seconds; two UpdateListen within 1.2 ms were seen to have one answer (E2)
_REPORTED_EVERY_MS = 250  # of audio: about four stt_latency a second were seen
_STT_LATENCY = 0.02  # seconds: the emulator listens in pieces of this length
_Handler = Callable[["Conversation", dict[str, Any]], Awaitable[None]]


class Bill(Protocol):
    """What of a session matters to its price."""

    def configure(self, tags: Sequence[str], agent: Mapping[str, Any]) -> None:
        """Take the tags and the agent of accepted Settings."""
        ...

    def change(self, name: str, block: Any) -> None:
        """Take the ``think`` or ``speak`` of an Update message."""
        ...


class Conversation:
    """One session. ``receive`` takes the client's messages; ``speak`` runs beside it; both answer through ``send``.

    ``script`` has the words of what is spoken, and takes precedence over the emulator's own dialogue. ``think_delay``
    is that of Speaker.
    """

    def __init__(
        self,
        send: Send,
        *,
        request_id: str,
        bill: Bill,
        behavior: Behavior,
        clock: SessionClock,
        agents: AgentLookup,
        script: Script | None,
        think_delay: Callable[[], float],
    ) -> None:
        self._request_id = request_id
        self._bill = bill
        self._clock = clock
        self._vendor, self._timing = behavior.vendor, behavior.timing
        self._reader = SettingsReader(behavior.vendor, agents)
        self._writer = MessageWriter(send, behavior.vendor)
        self._timer = SessionTimer(behavior.limits, clock, self._writer.warn)
        self._user = UserSpeech(clock, self._take_speech, by_timer=behavior.vendor.turn_end == "timer")
        self._script = script
        self._speaker = Speaker(
            self._writer,
            script,
            clock=clock,
            timing=behavior.timing,
            vendor=behavior.vendor,
            user_speaking=lambda: self._user.speaking,
            think_delay=think_delay,
        )
        self._applied = False
        self._managed, self._prompt_length = True, 0
        self._listen_provider: Mapping[str, Any] = {}
        self._listen_answer: asyncio.Task[None] | None = None
        self._unreported_ms = 0
        self._past_calls: dict[str, FunctionCall] = {}
        self._cancelled: set[str] = set()

    async def welcome(self) -> None:
        await self._writer.write_message("Welcome", request_id=self._request_id)

    def hear_out(self) -> None:
        """Take note that the client listens to the end of what was sent."""
        self._speaker.hear_out()

    async def write_given(self, message: Mapping[str, Any] | bytes) -> None:
        """Send a message that a test has written."""
        await self._writer.write_given(message)

    async def speak(self) -> None:
        """Answer and talk until cancelled; raise ProtocolError at a time limit."""
        tasks = [asyncio.ensure_future(work) for work in (self._speaker.run(), self._timer.run())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> None:
        """Cancel what is still pending."""
        self._user.stop()
        if self._listen_answer is not None:
            self._listen_answer.cancel()

    async def receive(self, message: str | bytes) -> None:
        """Take one message; raise ProtocolError where the documentation calls for an Error."""
        self._timer.heard()
        if isinstance(message, bytes):
            return await self._hear(message)
        data = parse(message)
        self._clock.catch_up()  # live it comes after the audio that was sent before it
        if data["type"] != "Settings":
            self._need_settings()
        return await _HANDLERS[data["type"]](self, data)

    def _need_settings(self) -> None:
        if not self._applied:
            raise ProtocolError("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", "The first message must be Settings.")

    async def _settings(self, data: dict[str, Any]) -> None:
        if self._applied:
            raise ProtocolError("SETTINGS_ALREADY_APPLIED", "Settings may be sent once; use the Update messages.")
        wanted = self._reader.setup(data)
        self._bill.configure(wanted.tags, wanted.agent)
        self._apply(wanted)
        await self._clock.sleep(self._timing.settings_ms / 1000)
        await self._writer.acknowledge("SettingsApplied", wanted.notices)
        if wanted.greeting:
            self._speaker.greet(wanted.greeting)

    def _apply(self, wanted: Setup) -> None:
        self._applied = self._timer.configured = True
        self._managed, self._prompt_length = wanted.think.managed, len(wanted.think.prompt)
        self._user.expect(wanted.hears)
        self._detect_as(wanted.listen_provider)
        self._writer.history = wanted.history
        self._speaker.audio, self._speaker.wav = wanted.speaks, wanted.wav
        self._speaker.functions = wanted.think.functions

    def _detect_as(self, provider: Mapping[str, Any]) -> None:
        self._listen_provider = provider
        listen = providers.listen(provider, "listen.provider")
        self._user.detect_as(listen)
        self._writer.flux, self._writer.hints = listen.flux, listen.hints

    async def _keep_alive(self, _data: dict[str, Any]) -> None:
        """No reply (vendor's page "Agent Keep Alive")."""

    async def _update_prompt(self, data: dict[str, Any]) -> None:
        """Append to the prompt, as seen (E3, E17). A model with a custom endpoint takes any length (vendor's page)."""
        self._prompt_length += len(text_of(data, "prompt"))
        await self._writer.acknowledge("PromptUpdated", prompt_notices(self._prompt_length) if self._managed else ())

    async def _update_think(self, data: dict[str, Any]) -> None:
        """Replace the whole block (vendor's page "Update Think")."""
        think = self._reader.think_block(present(data, "think"), "think")
        self._bill.change("think", data["think"])
        self._speaker.functions, self._managed = think.functions, think.managed
        self._prompt_length = len(think.prompt)
        await self._writer.acknowledge("ThinkUpdated", think.notices)

    async def _update_speak(self, data: dict[str, Any]) -> None:
        self._reader.speak_block(present(data, "speak"), "speak")
        self._bill.change("speak", data["speak"])
        await self._writer.acknowledge("SpeakUpdated")

    async def _update_listen(self, data: dict[str, Any]) -> None:
        """Model and language may change as well (vendor's changelog of 2026-07-31)."""
        self._detect_as(self._reader.listen_block(present(data, "listen"), "listen", self._listen_provider))
        if not self._vendor.merged_listen_updates:
            await self._writer.acknowledge("ListenUpdated")
        elif self._listen_answer is None or self._listen_answer.done():
            self._listen_answer = asyncio.ensure_future(self._answer_listen_updates())

    async def _answer_listen_updates(self) -> None:
        """Answer those that came at almost the same time together."""
        await asyncio.sleep(_MERGED_WITHIN)
        self._listen_answer = None
        await self._writer.acknowledge("ListenUpdated")

    async def _inject_user(self, data: dict[str, Any]) -> None:
        self._speaker.take_turn(Turn(text=text_of(data, "content")))

    async def _inject_agent(self, data: dict[str, Any]) -> None:
        text = dialogue.MADE_UP if data.get("is_dynamic") is True else text_of(data, "message")
        behavior = data.get("behavior") or "default"
        if behavior not in ("default", "queue", "interrupt"):
            unparsable("behavior must be default, queue or interrupt")
        if behavior != "interrupt" and self._user.speaking:
            return await self._refuse_injection("user", "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH")
        if behavior == "default" and self._speaker.mid_turn:
            return await self._refuse_injection("agent", "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH")
        if behavior == "interrupt":
            self._user.forget_turn()  # speech that goes on counts as a new turn, as documented
            return await self._cancel(self._speaker.interrupt(text))
        return self._speaker.utter(text)

    async def _refuse_injection(self, who: str, code: str) -> None:
        """Send message and Warning: both are documented, that both are sent is the emulator's choice."""
        await self._writer.write_message(
            "InjectionRefused", message=f"Cannot inject message while {who} is currently speaking"
        )
        await self._writer.warn(code, f"InjectAgentMessage was ignored during {who} speech.")

    async def _function_response(self, data: dict[str, Any]) -> None:
        """Take the answer to a call. If the call was cancelled, it is dropped, as documented.

        The emulator's choice: a Warning if the call was answered before, an Error if it was never made.
        """
        name, content = text_of(data, "name"), text_of(data, "content")
        call = _called(self._speaker.open_calls, name, data.get("id"))
        if call is not None:
            self._past_calls[call.id] = call
            self._speaker.take_result(call, content)
            return await self._writer.taken(call, content)
        given = _called(tuple(self._writer.given_calls.values()), name, data.get("id"))
        if given is not None:
            self._past_calls[given.id] = self._writer.given_calls.pop(given.id)
            return await self._writer.taken(given, content)
        past = _called(tuple(self._past_calls.values())[::-1], name, data.get("id"))
        if past is None:
            raise ProtocolError("NON_EXISTENT_FUNCTION_CALLED", "FunctionCallResponse answers no call that was made.")
        if past.id not in self._cancelled:
            await self._writer.warn("FUNCTION_CALL_FAILED", "This call was answered before; the response is dropped.")
        return None

    async def _force_end_turn(self, _data: dict[str, Any]) -> None:
        """Flux only (vendor's changelog of 2026-09-14)."""
        if not self._writer.flux:
            text = "ForceEndTurn needs a listen provider of version v2."
            return await self._writer.warn("FORCE_END_TURN_UNSUPPORTED", text)
        return self._user.end_turn("manual")

    async def _update_think_live(self, data: dict[str, Any]) -> None:
        """Invite-only at the vendor: only the acknowledgement's form is known (official SDK 7.17.0)."""
        present(data, "think_live")
        await self._writer.acknowledge("ThinkLiveUpdated", (NO_THINK_LIVE,))

    async def _not_emulated(self, data: dict[str, Any]) -> None:
        await self._writer.warn(NOT_EMULATED, f"The emulator does nothing with {data['type']}.")

    async def _hear(self, audio: bytes) -> None:
        self._need_settings()
        for n, piece in enumerate(self._user.pieces(audio)):
            if n:
                await asyncio.sleep(0)  # yield to other sessions
            await self._report_transcription(piece)
            for event in self._user.hear(piece):
                if isinstance(event, SpeechStarted):
                    await self._barge_in()
                else:
                    self._user.take(event)

    async def _report_transcription(self, piece: bytes) -> None:
        """Flux reports how long it takes all the time, in silence too."""
        if not (self._writer.flux and self._vendor.stt_latency_stream):
            return
        self._unreported_ms += self._user.milliseconds(piece)
        if self._unreported_ms >= _REPORTED_EVERY_MS:
            self._unreported_ms %= _REPORTED_EVERY_MS
            await self._writer.write_message("LatencyReport", stt_latency=_STT_LATENCY)

    async def _barge_in(self) -> None:
        interrupted = self._speaker.stop()
        await self._writer.write_message("UserStartedSpeaking")
        await self._speaker.end_interrupted(interrupted.playback)
        await self._cancel(interrupted.calls)

    async def _cancel(self, calls: tuple[FunctionCall, ...]) -> None:
        """Report calls to the client that are no longer awaited."""
        self._past_calls.update((call.id, call) for call in calls)
        self._cancelled.update(call.id for call in calls)
        if calls:
            await self._writer.cancelled(calls)

    def _take_speech(self, speech: SpeechEnded, trigger: Trigger) -> None:
        words = speech.words
        if words is None and self._script is not None:
            words = self._script.next_transcript()
        self._speaker.take_turn(Turn(text=words, spoken_ms=speech.milliseconds, trigger=trigger))


_HANDLERS: dict[str, _Handler] = {
    "Settings": Conversation._settings,
    "KeepAlive": Conversation._keep_alive,
    "UpdatePrompt": Conversation._update_prompt,
    "UpdateThink": Conversation._update_think,
    "UpdateSpeak": Conversation._update_speak,
    "UpdateListen": Conversation._update_listen,
    "InjectUserMessage": Conversation._inject_user,
    "InjectAgentMessage": Conversation._inject_agent,
    "FunctionCallResponse": Conversation._function_response,
    "ForceEndTurn": Conversation._force_end_turn,
    "UpdateThink_Live": Conversation._update_think_live,
    "__customToThinkProvider": Conversation._not_emulated,
}


def _called(calls: tuple[FunctionCall, ...], name: str, call_id: object) -> FunctionCall | None:
    """Find a call by name and id; by name alone when there is no id, which the vendor's page calls optional."""
    return next((call for call in calls if call.name == name and call_id in (None, call.id)), None)
