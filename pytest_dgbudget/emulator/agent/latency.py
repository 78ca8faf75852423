"""How long each part of one turn took, in seconds: the emulator's own times, not what the vendor's would be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Stopwatch:
    """Started when the user's utterance ends; ``spoken`` if it came as audio."""

    def __init__(self, clock: Callable[[], float], *, spoken: bool) -> None:
        self._clock = clock
        self._spoken = spoken
        self._heard = self._transcribed = self._asked = self._text = self._audio = clock()
        self._tool: float | None = None

    def transcribed(self) -> None:
        self._transcribed = self._asked = self._clock()

    def function_called(self) -> None:
        self._tool = self._clock()

    def function_answered(self) -> None:
        self._asked = self._clock()

    def text_ready(self) -> None:
        self._text = self._clock()

    def audio_ready(self) -> None:
        self._audio = self._clock()

    def started_speaking(self) -> dict[str, float]:
        """The fields of AgentStartedSpeaking."""
        return _rounded(
            total_latency=self._audio - self._heard,
            tts_latency=self._audio - self._text,
            ttt_latency=self._text - self._asked,
        )

    def report(self) -> dict[str, float]:
        """The fields of LatencyReport that apply to this turn."""
        first = self._text if self._tool is None else self._tool
        fields = {"ttt_token_latency": first - self._transcribed, "ttt_text_latency": self._text - self._asked}
        if self._spoken:
            fields["stt_latency"] = self._transcribed - self._heard
        if self._tool is not None:
            fields["ttt_tool_latency"] = self._tool - self._transcribed
        return _rounded(**fields, tts_latency=self._audio - self._text, total_latency=self._audio - self._heard)


def started(*, spoken: bool = False) -> Stopwatch:
    """Return a stopwatch that begins now, in the running loop's time."""
    return Stopwatch(asyncio.get_running_loop().time, spoken=spoken)


def _rounded(**seconds: float) -> dict[str, float]:
    return {name: round(value, 6) for name, value in seconds.items()}
