"""How long the vendor took for what, in a cassette: measured as in every run, on the recorded instants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent
from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.rules.latency import Turns
from pytest_dgbudget.rules.speech import SpeechReader, can_be_read

SETTINGS, GREETING, ANSWER = "SettingsApplied", "the greeting", "an answer"
# What is read of the user's audio before their words come.
_HEARD_MS = 10_000


def latencies_of(cassette: Cassette) -> Mapping[str, Sequence[int]]:
    """Return milliseconds by figure: from Settings to SettingsApplied, from there to the greeting, and of each turn.

    Turns that overlap, go on, came too fast or were never answered have none.
    """
    measured = _Measured(cassette)
    for event in cassette.events:
        measured.passed(event)
    measured.turns.session_ended()
    measured.turns.hand_over()
    found: dict[str, list[int]] = {}
    if measured.applied_after_ms is not None:
        found[SETTINGS] = [measured.applied_after_ms]
    if measured.turns.greeting_ms is not None:
        found[GREETING] = [measured.turns.greeting_ms]
    answers = [turn.latency_ms for turn in measured.ended if not (turn.overlapped or turn.continued or turn.unpaced)]
    found[ANSWER] = [ms for ms in answers if ms is not None]
    return found


class _Measured:
    """Hands what passed to the rules of latency."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self._format = cassette.formats.get("client_to_server")
        self._heard: list[CassetteAudio] = []
        self._settings_ms: int | None = None
        self.applied_after_ms: int | None = None
        self.ended: list[MeasuredTurn] = []
        self.turns = Turns(self.ended.append)

    def passed(self, event: CassetteEvent) -> None:
        if isinstance(event, CassetteAudio):
            if event.side == "client_to_server":
                self._heard.append(event)
            else:
                self.turns.agent_audio(event.at_ms)
        elif isinstance(event.payload, dict):
            said = self._client_said if event.side == "client_to_server" else self._vendor_said
            said(event.payload, event.at_ms)

    def _client_said(self, message: Mapping[str, Any], at_ms: int) -> None:
        match message.get("type"):
            case "Settings":
                self._settings_ms = at_ms
                agent = message.get("agent")
                self.turns.settings(str(agent.get("greeting", "")) if isinstance(agent, Mapping) else None)
            case "InjectUserMessage":
                self.turns.user_injected(str(message.get("content")), at_ms)
            case "InjectAgentMessage":
                self.turns.agent_injected()
            case "FunctionCallResponse":
                self.turns.functions_over([str(message.get("id"))], at_ms)

    def _vendor_said(self, message: Mapping[str, Any], at_ms: int) -> None:
        match message.get("type"):
            case "SettingsApplied":
                if self._settings_ms is not None:
                    self.applied_after_ms = at_ms - self._settings_ms
                self.turns.settings_applied(at_ms)
            case "UserStartedSpeaking":
                self.turns.user_started()
            case "AgentAudioDone":
                self.turns.agent_audio_done(at_ms)
            case "ConversationText" if message.get("role") == "user":
                self._user_said(str(message.get("content")), at_ms)
            case "ConversationText":
                self.turns.agent_said(str(message.get("content")))
            case "FunctionCallRequest":
                calls = message.get("functions")
                self.turns.functions_called(
                    [str(call.get("id")) for call in calls or () if isinstance(call, dict)], at_ms
                )

    def _user_said(self, content: str, at_ms: int) -> None:
        readable = self._format is not None and can_be_read(self._format)
        turn = self.turns.user_said(content, at_ms, readable=readable)
        if turn is None or not turn.awaits_speech or self._format is None:
            return
        reader, audio = SpeechReader(self._format, turn.after_ms), self._cassette.audio["client_to_server"]
        for each in self._heard:
            if each.at_ms > at_ms - _HEARD_MS:
                for _ in reader.add(audio[each.offset : each.offset + each.size], each.at_ms):
                    pass
        turn.heard(reader.result())
        self.turns.hand_over()
