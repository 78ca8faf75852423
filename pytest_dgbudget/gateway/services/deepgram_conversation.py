"""What the messages of one Voice Agent session say of it: its id, its tag, its price, its turns, whether it moves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.events import (
    FunctionAnswered,
    FunctionsCalled,
    GreetingBegun,
    LatencyReported,
    RuleBroken,
    SessionStalled,
    SessionWarned,
    SessionWelcomed,
    SettingsPassed,
    TierChanged,
    TurnEnded,
    UserPartEnded,
)
from pytest_dgbudget.gateway.heard_audio import HeardAudio
from pytest_dgbudget.gateway.services.service import MessageNotAfforded, SessionContext
from pytest_dgbudget.model import MeasuredTurn, Stall, Violation
from pytest_dgbudget.rules.audio import UNKNOWN_AUDIO, AudioFormat, audio_format
from pytest_dgbudget.rules.latency import OpenTurn, Turns
from pytest_dgbudget.rules.order import OrderRules
from pytest_dgbudget.rules.prices import AgentTier, Rate
from pytest_dgbudget.rules.speech import HeardSpeech, can_be_read
from pytest_dgbudget.rules.stalls import Stalls
from pytest_dgbudget.rules.vendor_messages import (
    ConversationText,
    ErrorMessage,
    FunctionCallRequest,
    Message,
    WarningMessage,
    Welcome,
    parse,
    total_latency_ms,
    with_tag,
)
from pytest_dgbudget.rules.wav_headers import WavHeaders

# What says something of the session itself, whether it passes or not.
_ALSO_AT_THE_END = frozenset({"Welcome", "SettingsApplied", "Warning", "Error"})
# Who calls so many functions at once gets no answer to them.
_MOST_CALLS = 1000


class Conversation:
    """One session's state. ``tagged``: the vendor took Settings that carry the run's tag."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._emit = context.emit
        self._now_ms = context.clock.now_ms
        self._tier = AgentTier(context.prices)
        self._rate = self._tier.rate
        self._turns = Turns(self._turn_ended)
        self._order = OrderRules(self._rule_broken)
        self._stalls = Stalls(self._stalled)
        self._heard = HeardAudio(context.audio_memory)
        self._awaited_calls: set[str] = set()
        self._tag_passed = False
        # Of the agent's audio, only what begins something is looked at.
        self._watches_audio = True
        self._headers = WavHeaders()
        self._is_closing = self._has_ended = False
        self.configured = False
        self.tagged = False
        self.request_id: str | None = None
        self.audio_in = AudioFormat()
        self.audio_out = AudioFormat()
        self.last_moved_ms = self._now_ms()
        self._client_messages: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "UpdateThink": lambda data: self._tier_is(self._tier.update_think(data)),
            "UpdateSpeak": lambda data: self._tier_is(self._tier.update_speak(data)),
            "InjectUserMessage": self._user_injected,
            "InjectAgentMessage": lambda _: self._turns.agent_injected(),
            "FunctionCallResponse": self._function_answered,
        }
        self._vendor_messages: dict[str, Callable[[Any], None]] = {
            "SettingsApplied": self._settings_applied,
            "UserStartedSpeaking": self._user_started,
            "AgentAudioDone": self._agent_audio_done,
            "FunctionCallCancelled": self._functions_cancelled,
            "LatencyReport": self._latency_reported,
        }
        self._typed: dict[type[Message], Callable[[Any], None]] = {
            Welcome: self._welcomed,
            ConversationText: self._said,
            FunctionCallRequest: self._functions_called,
            WarningMessage: self._warned,
            ErrorMessage: self._warned,
        }

    @property
    def waits_for_client(self) -> bool:
        """True while a function call waits for the client's answer."""
        return bool(self._awaited_calls)

    @property
    def is_reading(self) -> bool:
        """True while audio of the user's is still to be read for a turn."""
        return self._turns.awaits_speech

    @property
    def awaits_answer(self) -> bool:
        """True while a turn of the user's waits for its answer."""
        return self._turns.awaits_answer

    def audio_ms(self, *, in_bytes: int, out_bytes: int) -> tuple[int | None, int | None]:
        return self.audio_in.milliseconds(in_bytes), self.audio_out.milliseconds(out_bytes)

    def moved(self) -> None:
        self.last_moved_ms = self._now_ms()

    # What passes --------------------------------------------------------------------------------------------------

    def client_said(self, text: bytes) -> bytes:
        """Note a client's message and return what to pass on for it; raises MessageNotAfforded."""
        data = _object(text)
        if data is None:
            self.moved()
            self._tier_is(self._tier.unreadable())
            return text
        kind = data.get("type")
        if kind != "KeepAlive":
            self.moved()
        self._watches_audio = True
        self._order.client_said(str(kind), data, self._at_ms())
        if kind == "Settings" and not self.configured:
            return self._settings(text, data)
        if isinstance(kind, str) and kind in self._client_messages:
            self._client_messages[kind](data)
        return text

    def client_said_too_much(self) -> None:
        """Note a text that is to pass unread: it may be Settings, or whatever else sets the price.

        Raises MessageNotAfforded.
        """
        self.moved()
        if not self.configured:
            self.audio_in = self.audio_out = UNKNOWN_AUDIO
        self._tier_is(self._tier.unreadable())

    def client_audio(self, chunk: Chunk) -> None:
        """Note audio of the user's as it passed."""
        self.last_moved_ms = chunk.at_ms
        self._stalls.user_audio(chunk.at_ms - self._context.dialled_ms)
        if can_be_read(self.audio_in):
            self._heard.add(chunk)

    def vendor_said(self, text: bytes) -> None:
        """Note a message of the vendor's."""
        self.moved()
        self._stalls.vendor_sent()
        try:
            message = parse(text)
        except ValueError:
            return
        handle = self._typed.get(type(message)) or self._vendor_messages.get(message.type)
        if self._is_closing and message.type not in _ALSO_AT_THE_END:
            return
        self._watches_audio = True
        self._order.vendor_said(message.type, message.data, self._at_ms())
        if handle is not None:
            handle(message)

    def vendor_audio(self, frames: int, size: int) -> None:
        """Note so many messages of the agent's audio, and their bytes."""
        self.moved()
        self._stalls.vendor_sent()
        if not self._watches_audio or self._is_closing or self._headers.is_one(size):
            return
        at_ms = self._at_ms()
        self._order.agent_audio(frames, at_ms)
        had_greeted = self._turns.greeting_ms is not None
        self._turns.agent_audio(at_ms)
        if self._turns.greeting_ms is not None and not had_greeted:
            self._emit(GreetingBegun(session=self._session, at_ms=at_ms, greeting_ms=self._turns.greeting_ms))
        self._watches_audio = self._turns.watches_audio or self._order.watches_audio

    def closing(self) -> None:
        """Note that the end has begun: what the vendor still says passes no more."""
        self._is_closing = True

    def ended(self, *, cut: bool) -> None:
        """Note that the vendor's socket is closed, once."""
        if not self._has_ended:
            self._has_ended = True
            self._turns.session_ended()
            self._order.ended(self._at_ms(), cut=cut)
            self._stalls.ended(self._at_ms())
            self._heard.forget()

    # What the messages say ----------------------------------------------------------------------------------------

    def _settings(self, text: bytes, data: Mapping[str, Any]) -> bytes:
        self.configured = True
        self.audio_in, self.audio_out = audio_format(data, "input"), audio_format(data, "output")
        self._heard.plays(self.audio_in)
        self._turns.settings(_greeting(data))
        self._headers.settings(data)
        self._emit(SettingsPassed(session=self._session, at_ms=self._at_ms()))
        self._tier_is(self._tier.settings(data), from_ms=0)
        passed = with_tag(text.decode(), self._context.tag).encode()
        self._tag_passed = passed != text
        return passed

    def _tier_is(self, rate: Rate, from_ms: int | None = None) -> None:
        if rate == self._rate and from_ms is None:
            return
        if not self._context.affords(rate.micro_usd_per_minute):
            raise MessageNotAfforded
        self._rate = rate
        at_ms = self._at_ms()
        self._emit(
            TierChanged(
                session=self._session,
                at_ms=at_ms,
                from_ms=at_ms if from_ms is None else from_ms,
                tier=rate.tier,
                micro_usd_per_minute=rate.micro_usd_per_minute,
                estimated=rate.estimated,
            )
        )

    def _user_injected(self, data: Mapping[str, Any]) -> None:
        self._headers.may_begin()
        self._emit(UserPartEnded(session=self._session, at_ms=self._at_ms(), injected=True))
        self._turns.user_injected(str(data.get("content", "")), self._at_ms())

    def _function_answered(self, data: Mapping[str, Any]) -> None:
        call = str(data.get("id"))
        self._awaited_calls.discard(call)
        self._turns.functions_over([call], self._at_ms())
        self._emit(FunctionAnswered(session=self._session, at_ms=self._at_ms()))

    def _welcomed(self, welcome: Welcome) -> None:
        if self.request_id is None and is_id(str(welcome.data["request_id"])):
            self.request_id = welcome.request_id
            self._emit(SessionWelcomed(session=self._session, at_ms=self._at_ms(), request_id=welcome.request_id))

    def _settings_applied(self, _: Message) -> None:
        self.tagged = self._tag_passed
        self._turns.settings_applied(self._at_ms())

    def _said(self, text: ConversationText) -> None:
        if text.role == "assistant":
            self._turns.agent_said(text.content)
        elif text.role == "user":
            self._user_said(text.content)

    def _user_started(self, _: Message) -> None:
        self._turns.user_started()
        self._stalls.user_started()

    def _user_said(self, content: str) -> None:
        self._stalls.user_said()
        at_ms = self._at_ms()
        turn = self._turns.user_said(content, at_ms, readable=can_be_read(self.audio_in))
        if turn is None:
            return
        # What the agent said before may never get its AgentAudioDone.
        self._headers.may_begin()
        self._emit(UserPartEnded(session=self._session, at_ms=at_ms, injected=False))
        if turn.awaits_speech:
            now_ms, dialled_ms = self._now_ms(), self._context.dialled_ms
            reading = self._heard.reading(self.audio_in, now_ms, turn.after_ms + dialled_ms)
            soon = self._context.clock.call_soon
            soon(lambda: reading.go_on(soon, lambda speech: self._speech_was_read(turn, speech)))

    def _speech_was_read(self, turn: OpenTurn, speech: HeardSpeech) -> None:
        ended_ms = None if speech.ended_ms is None else speech.ended_ms - self._context.dialled_ms
        turn.heard(speech._replace(ended_ms=ended_ms))
        self._turns.hand_over()

    def _agent_audio_done(self, _: Message) -> None:
        self._turns.agent_audio_done(self._at_ms())
        self._headers.may_begin()

    def _functions_called(self, request: FunctionCallRequest) -> None:
        calls = {call.id for call in request.functions if call.client_side}
        self._awaited_calls |= calls
        if len(self._awaited_calls) > _MOST_CALLS:
            self._awaited_calls.clear()
        self._turns.functions_called(calls, self._at_ms())
        self._emit(FunctionsCalled(session=self._session, at_ms=self._at_ms(), count=len(request.functions)))

    def _functions_cancelled(self, message: Message) -> None:
        calls = message.data.get("functions")
        if isinstance(calls, list):
            cancelled = {str(call.get("id")) for call in calls if isinstance(call, dict)}
            self._awaited_calls -= cancelled
            self._turns.functions_over(cancelled, self._at_ms())

    def _latency_reported(self, report: Message) -> None:
        vendor_ms = total_latency_ms(report.data)
        if vendor_ms is not None:
            self._emit(LatencyReported(session=self._session, at_ms=self._at_ms(), vendor_ms=vendor_ms))

    def _warned(self, warning: WarningMessage | ErrorMessage) -> None:
        self._emit(SessionWarned(session=self._session, at_ms=self._at_ms(), code=warning.code))

    # What the rules found -----------------------------------------------------------------------------------------

    def _turn_ended(self, turn: MeasuredTurn) -> None:
        self._emit(TurnEnded(session=self._session, at_ms=self._at_ms(), turn=turn))

    def _rule_broken(self, violation: Violation) -> None:
        self._emit(RuleBroken(session=self._session, at_ms=self._at_ms(), violation=violation))

    def _stalled(self, stall: Stall) -> None:
        self._emit(SessionStalled(session=self._session, at_ms=self._at_ms(), stall=stall))

    @property
    def _session(self) -> str:
        return self._context.session

    def _at_ms(self) -> int:
        return self._now_ms() - self._context.dialled_ms


def is_id(text: str) -> bool:
    """True for what can be the vendor's name of a session; nothing could be found by anything else."""
    return re.fullmatch(r"[!-~]{1,200}", text) is not None


def _greeting(settings: Mapping[str, Any]) -> str | None:
    """Return what the agent says first, empty for nothing; None where a reusable agent has that."""
    agent = settings.get("agent")
    if not isinstance(agent, Mapping):
        return None
    greeting = agent.get("greeting")
    return greeting if isinstance(greeting, str) else ""


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
