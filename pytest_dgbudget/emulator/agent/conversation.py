"""The client's side of one session: what it may send and when, and what each message leads to.

Facts: the vendor's AsyncAPI file of 2026-07-22 and its pages "Message Flow", "Errors & Warnings", "Inject Agent",
"Function Call Response" and "Function Call Cancelled". What differs is in docs/emulator-fidelity.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn

from pytest_dgbudget.emulator.agent import dialogue, providers
from pytest_dgbudget.emulator.agent.dialogue import Turn
from pytest_dgbudget.emulator.agent.limits import Limits, SessionTimer
from pytest_dgbudget.emulator.agent.message_writer import FunctionCall, MessageWriter, Send
from pytest_dgbudget.emulator.agent.settings import (
    NO_THINK_LIVE,
    Setup,
    prompt_notices,
    setup,
    speak_block,
    think_block,
)
from pytest_dgbudget.emulator.agent.speaker import Speaker
from pytest_dgbudget.emulator.audio import sniff
from pytest_dgbudget.emulator.audio.voice import USUAL_PACE, Pace
from pytest_dgbudget.emulator.audio.voice_activity import SpeechEnded, SpeechStarted, VoiceActivityDetector
from pytest_dgbudget.emulator.codes import NOT_EMULATED, ProtocolError
from pytest_dgbudget.emulator.scenarios.scenario import Agents, Script
from pytest_dgbudget.rules.audio import AudioFormat

_HEARD_AT_ONCE = 64 * 1024  # bytes
_Handler = Callable[["Conversation", dict[str, Any]], Awaitable[None]]


class Conversation:
    """One session. ``receive`` takes the client's messages; ``speak`` runs beside it; both answer through ``send``.

    ``tag`` is called with the tags and the agent of accepted Settings; ``script`` has the words of what is spoken, and
    takes precedence over the emulator's own dialogue.
    """

    def __init__(
        self,
        send: Send,
        *,
        request_id: str,
        tag: Callable[[Sequence[str], Mapping[str, Any]], None],
        limits: Limits | None = None,
        agents: Agents | None = None,
        script: Script | None = None,
        pace: Pace = USUAL_PACE,
    ) -> None:
        self._request_id = request_id
        self._tag = tag
        self._agents = agents
        self._writer = MessageWriter(send)
        self._timer = SessionTimer(limits or Limits(), self._writer.warn)
        self._detector = VoiceActivityDetector(AudioFormat())
        self._script = script
        self._speaker = Speaker(self._writer, script, pace, user_speaking=lambda: self._detector.speaking)
        self._applied = self._flux = False
        self._managed = True
        self._declared: AudioFormat | None = None  # until the first audio has come
        self._past_calls: dict[str, FunctionCall] = {}
        self._cancelled: set[str] = set()
        self._quiet_timer: asyncio.TimerHandle | None = None

    async def welcome(self) -> None:
        await self._writer.write_message("Welcome", request_id=self._request_id)

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
        self._stop_quiet_timer()

    async def receive(self, message: str | bytes) -> None:
        """Take one message; raise ProtocolError where the documentation calls for an Error."""
        self._timer.heard()
        if isinstance(message, bytes):
            return await self._hear(message)
        data = _parse(message)
        if data["type"] != "Settings":
            self._need_settings()
        return await _HANDLERS[data["type"]](self, data)

    def _need_settings(self) -> None:
        if not self._applied:
            raise ProtocolError("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", "The first message must be Settings.")

    async def _settings(self, data: dict[str, Any]) -> None:
        if self._applied:
            raise ProtocolError("SETTINGS_ALREADY_APPLIED", "Settings may be sent once; use the Update messages.")
        wanted = setup(data, self._agents)
        self._tag(wanted.tags, wanted.agent)
        self._apply(wanted)
        await self._writer.acknowledge("SettingsApplied", wanted.notices)
        if wanted.greeting:
            self._speaker.utter(wanted.greeting)

    def _apply(self, wanted: Setup) -> None:
        self._applied, self._managed = True, wanted.think.managed
        self._declared, self._detector = wanted.hears, VoiceActivityDetector(wanted.hears)
        self._listen(wanted.listen)
        self._writer.history = wanted.history
        self._speaker.audio, self._speaker.wav = wanted.speaks, wanted.wav
        self._speaker.experimental = wanted.experimental
        self._speaker.functions = wanted.think.functions

    def _listen(self, listen: providers.Listen) -> None:
        self._flux, self._detector.silence_ms, self._writer.hints = listen.flux, listen.silence_ms, listen.hints

    async def _keep_alive(self, _data: dict[str, Any]) -> None:
        """No reply (vendor's page "Agent Keep Alive")."""

    async def _update_prompt(self, data: dict[str, Any]) -> None:
        """A model with a custom endpoint takes any length (vendor's page "Errors & Warnings")."""
        prompt = _text(data, "prompt")
        await self._writer.acknowledge("PromptUpdated", prompt_notices(prompt) if self._managed else ())

    async def _update_think(self, data: dict[str, Any]) -> None:
        """Replace the whole block (vendor's page "Update Think")."""
        think = think_block(_present(data, "think"), "think")
        self._speaker.functions, self._managed = think.functions, think.managed
        await self._writer.acknowledge("ThinkUpdated", think.notices)

    async def _update_speak(self, data: dict[str, Any]) -> None:
        speak_block(_present(data, "speak"), "speak")
        await self._writer.acknowledge("SpeakUpdated")

    async def _update_listen(self, data: dict[str, Any]) -> None:
        """Model and language may change as well (vendor's changelog of 2026-07-31)."""
        self._listen(providers.listen(_present(data, "listen"), "listen"))
        await self._writer.acknowledge("ListenUpdated")

    async def _inject_user(self, data: dict[str, Any]) -> None:
        self._speaker.take_turn(Turn(text=_text(data, "content")))

    async def _inject_agent(self, data: dict[str, Any]) -> None:
        text = dialogue.MADE_UP if data.get("is_dynamic") is True else _text(data, "message")
        behavior = data.get("behavior") or "default"
        if behavior not in ("default", "queue", "interrupt"):
            _unparsable("behavior must be default, queue or interrupt.")
        if behavior != "interrupt" and self._detector.speaking:
            return await self._refuse_injection("user", "INJECT_AGENT_MESSAGE_DURING_USER_SPEECH")
        if behavior == "default" and self._speaker.mid_turn:
            return await self._refuse_injection("agent", "INJECT_AGENT_MESSAGE_DURING_AGENT_SPEECH")
        if behavior == "interrupt":
            self._detector.reset()  # speech that goes on counts as a new turn, as documented
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
        name, content = _text(data, "name"), _text(data, "content")
        call = _called(self._speaker.open_calls, name, data.get("id"))
        if call is not None:
            self._past_calls[call.id] = call
            self._speaker.take_result(call, content)
            return await self._writer.remember(call, content)
        past = _called(tuple(self._past_calls.values())[::-1], name, data.get("id"))
        if past is None:
            raise ProtocolError("NON_EXISTENT_FUNCTION_CALLED", "FunctionCallResponse answers no call that was made.")
        if past.id not in self._cancelled:
            await self._writer.warn("FUNCTION_CALL_FAILED", "This call was answered before; the response is dropped.")
        return None

    async def _force_end_turn(self, _data: dict[str, Any]) -> None:
        """Flux only (vendor's changelog of 2026-09-14)."""
        if not self._flux:
            text = "ForceEndTurn needs a listen provider of version v2."
            return await self._writer.warn("FORCE_END_TURN_UNSUPPORTED", text)
        return self._end_user_turn()

    async def _update_think_live(self, data: dict[str, Any]) -> None:
        """Invite-only at the vendor: only the acknowledgement's form is known (official SDK 7.17.0)."""
        _present(data, "think_live")
        await self._writer.acknowledge("ThinkLiveUpdated", (NO_THINK_LIVE,))

    async def _not_emulated(self, data: dict[str, Any]) -> None:
        await self._writer.warn(NOT_EMULATED, f"The emulator does nothing with {data['type']}.")

    async def _hear(self, audio: bytes) -> None:
        self._need_settings()
        self._look_at_first(audio)
        for at in range(0, len(audio), _HEARD_AT_ONCE):
            await self._listen_to(audio[at : at + _HEARD_AT_ONCE])
            if at:
                await asyncio.sleep(0)  # yield to other sessions
        self._stop_quiet_timer()
        if self._detector.speaking:  # audio that stops coming is silence
            self._quiet_timer = asyncio.get_running_loop().call_later(
                self._detector.silence_ms / 1000, self._end_user_turn
            )

    async def _listen_to(self, audio: bytes) -> None:
        for event in self._detector.detect(audio):
            if isinstance(event, SpeechStarted):
                await self._barge_in()
            else:
                self._take_speech(event)

    def _look_at_first(self, audio: bytes) -> None:
        if self._declared is None:
            return
        wrong = sniff.mismatch(self._declared, audio)
        if wrong:
            text = (
                f"Settings declare {self._declared.encoding} at {self._declared.sample_rate} Hz; what came is {wrong}."
            )
            raise ProtocolError("USER_AUDIO_FORMAT", text)
        self._declared = None

    async def _barge_in(self) -> None:
        calls = self._speaker.stop()
        await self._writer.write_message("UserStartedSpeaking")
        await self._cancel(calls)

    async def _cancel(self, calls: tuple[FunctionCall, ...]) -> None:
        """Report calls to the client that are no longer awaited."""
        self._past_calls.update((call.id, call) for call in calls)
        self._cancelled.update(call.id for call in calls)
        if calls:
            await self._writer.cancelled(calls)

    def _end_user_turn(self) -> None:
        ended = self._detector.end_turn()
        if ended is not None:
            self._take_speech(ended)

    def _take_speech(self, speech: SpeechEnded) -> None:
        words = None if self._script is None else self._script.next_transcript()
        self._speaker.take_turn(Turn(text=words, spoken_ms=speech.milliseconds))

    def _stop_quiet_timer(self) -> None:
        if self._quiet_timer is not None:
            self._quiet_timer.cancel()


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


def _parse(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_constant=_unparsable)  # NaN is not JSON
    except (ValueError, RecursionError):
        _unparsable("The message is not JSON.")
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        _unparsable("The message is not a JSON object with a type.")
    if data["type"] not in _HANDLERS:
        _unparsable("The message's type is unknown.")
    return data


def _present(data: dict[str, Any], name: str) -> Any:
    if data.get(name) is None:
        _unparsable(f"{data['type']} needs {name}.")
    return data[name]


def _text(data: dict[str, Any], name: str) -> str:
    value = _present(data, name)
    if not isinstance(value, str):
        _unparsable(f"{data['type']} needs {name} to be a string.")
    return value


def _unparsable(description: str) -> NoReturn:
    raise ProtocolError("UNPARSABLE_CLIENT_MESSAGE", description)
