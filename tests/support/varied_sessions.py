"""Sessions as they might have been recorded: message by message, or a dialogue that varies each time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cache
from random import Random
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteFacts, CassetteText
from pytest_dgbudget.recording.lines import Side
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support.speech import linear16, silence, tone

RATE = 8000
CLIENT: Side = "client_to_server"
VENDOR: Side = "server_to_client"
SETTINGS = {"type": "Settings", "agent": {"greeting": "Hello.", "think": {"prompt": "Be brief."}}}
WELCOME = {"type": "Welcome", "request_id": "request-1"}
APPLIED = {"type": "SettingsApplied"}
DONE = {"type": "AgentAudioDone"}
STARTED = {"type": "UserStartedSpeaking"}
AUDIO = b"\1\2" * 400
FACTS = CassetteFacts(
    recorded_at=datetime(2026, 11, 1, tzinfo=timezone.utc),
    ms=10_000,
    handshake_ms=100,
    micro_usd=12_500,
    tier="standard",
    closed_by="client",
    close_code=1000,
    close_reason="",
)


def said(role: str, content: str = "Something.") -> list[dict[str, Any]]:
    return [
        {"type": "ConversationText", "role": role, "content": content, "conversational_behavior": "default"},
        {"type": "History", "role": role, "content": content},
    ]


def injected(content: str = "Where is my order?") -> dict[str, Any]:
    return {"type": "InjectUserMessage", "content": content}


def called(number: int, name: str = "look_up") -> dict[str, Any]:
    call = {"id": f"call-{number}", "name": name, "arguments": "{}", "client_side": True}
    return {"type": "FunctionCallRequest", "functions": [call]}


def answered(number: int, name: str = "look_up", content: str = "here") -> dict[str, Any]:
    return {"type": "FunctionCallResponse", "id": f"call-{number}", "name": name, "content": content}


def remembered(number: int) -> dict[str, Any]:
    (call,) = called(number)["functions"]
    return {"type": "History", "function_calls": [{**call, "response": "here"}]}


@cache
def _speech(ms: int, quiet_ms: int) -> bytes:
    return linear16(tone(ms, RATE) + silence(quiet_ms, RATE))


class Script:
    """What passed, in order; each is so many milliseconds after what came before."""

    def __init__(self) -> None:
        self.events: list[CassetteEvent] = []
        self.now_ms = FACTS.handshake_ms
        self._audio = {CLIENT: b"", VENDOR: b""}

    def client(self, *said: Any, after_ms: int = 0) -> Script:
        return self._pass(CLIENT, said, after_ms)

    def vendor(self, *said: Any, after_ms: int = 0) -> Script:
        return self._pass(VENDOR, said, after_ms)

    def speaks(self, ms: int, quiet_ms: int = 0, after_ms: int = 0) -> Script:
        """The user says something, in pieces of 20 ms, and stays on the line for a while."""
        audio = _speech(ms, quiet_ms)
        size = RATE * 20 // 1000 * 2
        self.now_ms += after_ms
        for at in range(0, len(audio), size):
            self._pass(CLIENT, [audio[at : at + size]], 20)
        return self

    def cassette(self, **facts: Any) -> Cassette:
        known = {name: getattr(FACTS, name) for name in FACTS.__slots__}
        return Cassette(
            facts=CassetteFacts(**{**known, "ms": self.now_ms + 100, "micro_usd": None, **facts}),
            events=tuple(self.events),
            audio=dict(self._audio),
            formats={CLIENT: AudioFormat("linear16", RATE), VENDOR: AudioFormat("linear16", RATE)},
        )

    def _pass(self, side: Side, said: Sequence[Any], after_ms: int) -> Script:
        self.now_ms += after_ms
        for each in said:
            if isinstance(each, bytes):
                offset = len(self._audio[side])
                self._audio[side] += each
                self.events.append(CassetteAudio(side=side, at_ms=self.now_ms, offset=offset, size=len(each)))
            else:
                self.events.append(CassetteText(side=side, at_ms=self.now_ms, payload=each, line=len(self.events) + 1))
        return self


def begun() -> Script:
    """A session whose greeting is over."""
    script = Script().vendor(WELCOME).client(SETTINGS).vendor(APPLIED, after_ms=220)
    return script.vendor(*said("assistant", "Hello."), AUDIO, after_ms=100).vendor(DONE, after_ms=50)


class Dialogue:
    """A session of turns (``text``, ``speech``, ``function``, ``interruption``), as a service that varies has it."""

    def __init__(self, turns: Sequence[str], random: Random) -> None:
        self._turns = turns
        self._random = random
        self._calls = 0
        self._script = begun()

    def script(self) -> Script:
        for turn in self._turns:
            getattr(self, f"_{turn}")()
        return self._script

    def _text(self) -> None:
        self._script.client(injected(), after_ms=300).vendor(*said("user"), after_ms=10)
        self._reply()

    def _speech(self) -> None:
        """What is heard comes in one piece or in several."""
        self._script.speaks(400, 600, after_ms=300)
        for _ in range(self._random.randint(1, 3)):
            self._script.vendor(STARTED).vendor(*said("user"), after_ms=10)
        self._reply()

    def _function(self) -> None:
        self._calls += 1
        self._script.client(injected("Look it up."), after_ms=300).vendor(*said("user"), after_ms=10)
        if self._happens():
            self._script.vendor(*said("assistant", "One moment."), AUDIO)
        if self._happens():
            self._script.vendor({"type": "AgentThinking", "content": "Hm."})
        self._script.vendor(called(self._calls), after_ms=500).client(answered(self._calls), after_ms=50)
        if self._happens():
            self._script.vendor(answered(self._calls))
        self._script.vendor(remembered(self._calls))
        self._reply()

    def _interruption(self) -> None:
        """The user speaks into the reply; AgentAudioDone comes for it, late frames come, or neither."""
        self._script.client(injected("Tell me all."), after_ms=300).vendor(*said("user"), after_ms=10)
        self._script.vendor(*said("assistant", "It is so."), AUDIO, after_ms=500)
        self._script.speaks(400, 600, after_ms=200).vendor(STARTED)
        self._script.vendor(*[AUDIO] * self._random.randint(0, 3))
        if self._happens():
            self._script.vendor(DONE)
        self._script.vendor(*said("user", "Stop."), after_ms=10)
        self._reply()

    def _reply(self) -> None:
        thinks_ms = self._random.randint(400, 2000)
        self._maybe_latency("ttt_text_latency")
        if self._happens():
            code, text = "SLOW_THINK_REQUEST", "We have now waited 5 seconds for a think response."
            self._script.vendor({"type": "Warning", "code": code, "description": text})
        for number in range(self._random.randint(1, 5)):
            words = said("assistant", " ".join(["word"] * self._random.randint(1, 9)))
            pieces = [AUDIO[: 2 * self._random.randint(1, 400)] for _ in range(self._random.randint(1, 5))]
            first = [pieces.pop(0)] if self._happens() else []
            self._script.vendor(*first, *words, after_ms=0 if number else thinks_ms)
            self._maybe_latency("tts_latency")
            self._script.vendor(*(pieces or [AUDIO]), after_ms=20)
        self._script.vendor(DONE, after_ms=10)

    def _maybe_latency(self, name: str) -> None:
        if self._happens():
            self._script.vendor({"type": "LatencyReport", name: self._random.random()})

    def _happens(self) -> bool:
        return self._random.random() < 0.5
