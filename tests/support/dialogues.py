"""Random conversations as cassettes: whatever a client and the vendor's agent may do to each other, well-formed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteFacts, CassetteText
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.recording.lines import Side
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import silence

CLIENT: Side = "client_to_server"
VENDOR: Side = "server_to_client"
RECORDED_AT = datetime(2026, 11, 1, 9, 0, tzinfo=timezone.utc)
FORMATS = (
    AudioFormat("linear16", 16_000),
    AudioFormat("linear16", 24_000),
    AudioFormat("linear32", 16_000),
    AudioFormat("mulaw", 8_000),
    AudioFormat("alaw", 8_000),
    AudioFormat("opus", 48_000),
)
_WORDS = (
    *(
        "what",
        "is",
        "the",
        "weather",
        "in",
        "Lisbon",
        "today",
        "please",
        "book",
        "a",
        "table",
        "for",
        "two",
        "at",
        "noon",
    ),
    *("thank", "you", "[scrubbed]", "größer"),
)
_PIECE_MS = 20


class Tape:
    """A conversation while it is made up: what passed, and the time since the dial."""

    def __init__(self, format_: AudioFormat = FORMATS[0]) -> None:
        self.format = format_
        self.at_ms = 0
        self.events: list[CassetteEvent] = []
        self.audio: dict[Side, bytearray] = {CLIENT: bytearray(), VENDOR: bytearray()}
        self._lines = 0

    def wait(self, milliseconds: int) -> None:
        self.at_ms += milliseconds

    def client(self, kind: str, *, scrubbed: Sequence[str] = (), **fields: Any) -> None:
        """The client says something."""
        self.text(CLIENT, {"type": kind, **fields}, scrubbed)

    def vendor(self, kind: str, **fields: Any) -> None:
        """The vendor says something."""
        self.text(VENDOR, {"type": kind, **fields})

    def text(self, side: Side, payload: Any, scrubbed: Sequence[str] = ()) -> None:
        has_line = payload != {"type": "KeepAlive"}
        self._lines += has_line
        line = self._lines if has_line else None
        text = CassetteText(side=side, at_ms=self.at_ms, payload=payload, line=line, scrubbed=tuple(scrubbed))
        self.events.append(text)

    def hear(self, audio: bytes) -> None:
        """The client sends a piece of the user's audio."""
        self._sound(CLIENT, audio)

    def speak(self, audio: bytes) -> None:
        """The vendor sends a piece of the agent's audio."""
        self._sound(VENDOR, audio)

    def _sound(self, side: Side, audio: bytes) -> None:
        offset = len(self.audio[side])
        self.events.append(CassetteAudio(side=side, at_ms=self.at_ms, offset=offset, size=len(audio)))
        self.audio[side] += audio

    def end(self, closed_by: ClosedBy = "client", code: int | None = 1000, reason: str = "") -> Cassette:
        """Return the cassette of a session that ends now."""
        return Cassette(
            folder=Path("cassettes/test_it.py/test_it/1"),
            facts=CassetteFacts(
                recorded_at=RECORDED_AT,
                ms=self.at_ms,
                handshake_ms=0,
                micro_usd=1250 * self.at_ms // 1000,
                tier="standard",
                closed_by=closed_by,
                close_code=code,
                close_reason=reason,
            ),
            events=tuple(self.events),
            audio={side: bytes(audio) for side, audio in self.audio.items()},
            formats={CLIENT: self.format, VENDOR: AudioFormat("linear16", 24_000)},
        )


def dialogue(random: Random, turns: int = 3, longest_pause_ms: int = 3000) -> Cassette:
    """Make up a conversation: a greeting perhaps, turns, function calls, updates, barge-ins, an end by either."""
    return _Dialogue(random, longest_pause_ms).cassette(turns)


class _Dialogue:
    def __init__(self, random: Random, longest_pause_ms: int) -> None:
        self._random = random
        self._pause_ms = longest_pause_ms
        self._tape = Tape(random.choice(FORMATS))
        self._calls = 0

    def cassette(self, turns: int) -> Cassette:
        tape, random = self._tape, self._random
        self._wait(300)
        tape.vendor("Welcome", request_id="request-1")
        self._wait(50)
        tape.client("Settings", **settings(tape.format, random))
        self._wait(300)
        tape.vendor("SettingsApplied")
        if random.random() < 0.6:
            self._reply()
        for _ in range(turns):
            self._wait(self._pause_ms)
            if random.random() < 0.3:
                tape.client("KeepAlive")
            random.choice((self._spoken, self._spoken, self._injected, self._updated, self._barge_in))()
        self._wait(self._pause_ms)
        if random.random() < 0.3:
            if random.random() < 0.5:
                tape.vendor("Error", code="CLIENT_MESSAGE_TIMEOUT", description="We waited too long.")
            self._wait(30)
            return tape.end("server", random.choice((1000, None, 1011)), random.choice(("", "bye")))
        return tape.end()

    def _wait(self, longest_ms: int) -> None:
        self._tape.wait(self._random.randrange(max(1, longest_ms)))

    def _spoken(self) -> None:
        self._say(self._random.randrange(1, 12))
        self._tape.vendor("UserStartedSpeaking")
        self._finish_utterance()

    def _barge_in(self) -> None:
        self._tape.client("InjectAgentMessage", message=self._words())
        self._sentence(frames=self._random.randrange(1, 10))
        self._say(self._random.randrange(1, 8))
        self._frames(self._random.randrange(3))
        self._tape.vendor("UserStartedSpeaking")
        if self._random.random() < 0.7:
            self._wait(180)
            self._tape.vendor("AgentAudioDone")
        self._finish_utterance()

    def _finish_utterance(self) -> None:
        self._say(self._random.randrange(15))
        self._wait(800)
        if self._random.random() < 0.5:
            self._tape.vendor("EndOfTurn", trigger="model")
        words = self._words()
        self._tape.vendor("ConversationText", role="user", content=words)
        if self._random.random() < 0.3:  # the microphone goes on
            self._say(self._random.randrange(1, 4))
        self._tape.vendor("History", role="user", content=words)
        if self._random.random() < 0.5:
            self._function_calls()
        self._reply()

    def _injected(self) -> None:
        words = self._words()
        self._tape.client("InjectUserMessage", content=words)
        self._wait(40)
        self._tape.vendor("ConversationText", role="user", content=words)
        if self._random.random() < 0.3:
            self._function_calls()
        self._reply()

    def _updated(self) -> None:
        kind = self._random.choice(("Prompt", "Speak", "Think", "Listen"))
        value: Any = self._words() if kind == "Prompt" else {"provider": {"type": "deepgram", "model": self._words()}}
        self._tape.client(f"Update{kind}", **{kind.lower(): value})
        self._wait(100)
        self._tape.vendor(f"{kind}Updated")

    def _function_calls(self) -> None:
        """Some calls, open together, in one request or several; now and then one that the user interrupts."""
        tape, random = self._tape, self._random
        calls = [self._call() for _ in range(random.randrange(1, 4))]
        cut = random.randrange(len(calls))
        for asked in (calls[:cut], calls[cut:]):
            if asked:
                self._wait(1000)
                tape.vendor("FunctionCallRequest", functions=asked)
        cancelled = calls.pop() if len(calls) > 1 and random.random() < 0.3 else None
        random.shuffle(calls)
        for call in calls:
            self._wait(400)
            tape.client(
                "FunctionCallResponse", id=call["id"], name=call["name"], content=f'{{"answer": "{self._words()}"}}'
            )
            if random.random() < 0.5:
                tape.vendor("History", function_calls=[{**call, "response": "ok"}])
        if cancelled is not None:
            self._wait(200)
            tape.vendor("FunctionCallCancelled", functions=[{"id": cancelled["id"], "name": cancelled["name"]}])

    def _call(self) -> dict[str, Any]:
        self._calls += 1
        name = self._random.choice(("get_weather", "book_table"))
        return {"id": f"call-{self._calls}", "name": name, "arguments": '{"city": "Lisbon"}', "client_side": True}

    def _reply(self) -> None:
        for _ in range(self._random.randrange(1, 3)):
            self._sentence(frames=self._random.randrange(8))
        self._tape.vendor("AgentAudioDone")
        if self._random.random() < 0.5:
            self._tape.vendor("LatencyReport", total_latency=round(self._random.random(), 3))

    def _sentence(self, frames: int) -> None:
        self._wait(900)
        words = self._words()
        self._tape.vendor("ConversationText", role="assistant", content=words)
        if self._random.random() < 0.5:
            self._tape.vendor("History", role="assistant", content=words)
        self._frames(frames)

    def _frames(self, count: int) -> None:
        for _ in range(count):
            self._wait(40)
            self._tape.speak(self._random.randbytes(self._random.choice((960, 1920))))

    def _say(self, pieces: int) -> None:
        for _ in range(pieces):
            self._tape.wait(_PIECE_MS)
            spoken = self._random.random() < 0.8
            self._tape.hear(piece_of_audio(self._random, self._tape.format, spoken=spoken))

    def _words(self) -> str:
        return " ".join(self._random.choices(_WORDS, k=self._random.randrange(1, 9)))


def piece_of_audio(random: Random, format_: AudioFormat, *, spoken: bool) -> bytes:
    """Return 20 ms of audio, with some silent samples in it; all of them where nothing is spoken."""
    size = format_.bytes_per_sample
    if size is None:
        return random.randbytes(80)
    samples = format_.sample_rate * _PIECE_MS // 1000
    nothing = silence(format_.encoding, samples)
    if not spoken:
        return nothing
    # A number of floating point, and no silence in any encoding.
    audio = b"\x3e" * (samples * size) if size == 4 else bytes(random.choices(range(1, 0x50), k=samples * size))
    cut = random.randrange(samples // 2) * size
    return audio[: len(audio) - cut] + nothing[len(nothing) - cut :] if cut else audio


def settings(format_: AudioFormat, random: Random) -> dict[str, Any]:
    """Return Settings, without their type."""
    agent: dict[str, Any] = {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3", "keyterms": random.choices(_WORDS, k=3)}},
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini", "temperature": round(random.random(), 2)},
            "prompt": " ".join(random.choices(_WORDS, k=40)),
            "endpoint": {"url": "https://llm.example", "headers": {"authorization": "[scrubbed]"}},
            "functions": [{"name": "get_weather", "parameters": {"type": "object", "properties": {}}}],
        },
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    }
    if random.random() < 0.5:
        agent["greeting"] = "Hello, how can I help?"
    audio = {"input": {"encoding": format_.encoding, "sample_rate": format_.sample_rate}}
    return {"audio": audio, "agent": agent, "mip_opt_out": random.random() < 0.5, "tags": None}
