"""How long each part of one turn took, in seconds: the emulator's own times, not what the vendor's would be."""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """Started when the user's utterance ends; ``spoken`` if it came as audio. ``clock`` is the session's."""

    def __init__(self, clock: Callable[[], float], *, spoken: bool = False) -> None:
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

    def of_thinking(self) -> dict[str, float]:
        """The fields of LatencyReport that are known before the answer's first sentence."""
        first = self._text if self._tool is None else self._tool
        fields = {"ttt_token_latency": first - self._transcribed, "ttt_text_latency": self._text - self._asked}
        if self._tool is not None:
            fields["ttt_tool_latency"] = self._tool - self._transcribed
        return _rounded(**fields)

    def of_speaking(self) -> dict[str, float]:
        """The fields that are known once there is sound."""
        return _rounded(tts_latency=self._audio - self._text, total_latency=self._audio - self._heard)

    def report(self) -> dict[str, float]:
        """All the fields that apply to this turn."""
        heard = _rounded(stt_latency=self._transcribed - self._heard) if self._spoken else {}
        return {**heard, **self.of_thinking(), **self.of_speaking()}


def _rounded(**seconds: float) -> dict[str, float]:
    return {name: round(value, 6) for name, value in seconds.items()}
