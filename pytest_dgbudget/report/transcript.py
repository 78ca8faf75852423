"""A session as people read it: who said and did what, in seconds after its dial."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.recording.lines import (
    AUDIO,
    LEFT_OUT,
    LOST,
    NOT_JSON,
    STOPPED,
    RecordedLine,
    Side,
)
from pytest_dgbudget.report.playback import Playback
from pytest_dgbudget.report.session_summary import SessionAudio, SessionSummary, type_of
from pytest_dgbudget.rules.order import is_of_order
from pytest_dgbudget.rules.vendor_messages import total_latency_ms

# What is longer stands in events.jsonl.
_LONGEST_TEXT = 2000
_LONGEST_JSON = 400
_SIDES: Mapping[str, Side] = {"user": "client_to_server", "agent": "server_to_client"}
_SPEAKERS: Mapping[str, str] = {side: who for who, side in _SIDES.items()}
_SENDERS = {"client_to_server": "client", "server_to_client": "vendor", "gateway": "gateway"}
_INDENT = " " * 21
# Repeated elsewhere, or said by the line that they belong to.
_SILENT = {"KeepAlive", "History", "Welcome"}
# Of what happens at the gateway, the rest is told by messages, or is a figure of the report.
_BY_GATEWAY = {"RuleBroken", "SessionStalled", "MessageSkipped", LOST, STOPPED}
# A terminal must not obey what an agent says.
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def header_lines(
    summary: SessionSummary, number: int, of: int, target: str, unended: str, audio: Iterable[str]
) -> Iterator[str]:
    """Yield what stands above a session's lines.

    ``unended``: why its end is not known, where it isn't; ``audio``: what is to be known of its audio files.
    """
    usage = summary.usage
    ms = None if usage is None else usage.get("ms")
    yield f"Session {number} of {of}"
    yield f"  request id  {summary.request_id or 'unknown'}"
    yield f"  target      {target}"
    yield f"  opened      {write_instant(summary.opened_at)} (UTC)"
    yield f"  seconds     {'unknown' if ms is None else f'{ms / 1000:.3f}'}"
    yield f"  closed by   {_closing(summary) or f'unknown: {unended}'}"
    yield from (f"  audio       {note}" for note in audio)
    yield ""


def session_lines(summary: SessionSummary, lines: Iterable[RecordedLine], unended: str) -> Iterator[str]:
    """Yield a session line by line."""
    narration = _Narration(summary)
    at_ms = 0
    for line in lines:
        at_ms = summary.at_ms(line)
        yield from narration.tell(line, at_ms)
    yield from narration.audio_so_far()
    end = _closing(summary)
    if summary.cut_short is not None:
        return
    yield from _told(at_ms, "gateway", f"closed by {end}" if end and summary.ended else f"(no more of it: {unended})")


def _closing(summary: SessionSummary) -> str | None:
    if summary.usage is None:
        return None
    code, reason = summary.usage.get("close_code"), summary.close_reason or summary.usage.get("reason")
    by = _one_line(summary.usage.get("closed_by"))
    return f"{by}, {'no code' if code is None else f'code {code}'}{f': {_one_line(reason)}' if reason else ''}"


class _Narration:
    """Tells lines, with the audio that passed between two of them as its duration."""

    def __init__(self, summary: SessionSummary) -> None:
        self._audio = summary.audio
        self._passed: dict[Side, tuple[int, int]] = {}
        self._answered: set[str] = set()  # calls, by their ids
        self._agent = Playback()
        self._agent_samples = 0

    def tell(self, line: RecordedLine, at_ms: int) -> Iterator[str]:
        kind = type_of(line)
        if kind == AUDIO and line.direction != "gateway":
            self._heard(line.direction, at_ms, line.payload["bytes"])
            return
        told = [part for who, text in self._parts(line, kind, at_ms) for part in _told(at_ms, who, text)]
        if told:
            yield from self.audio_so_far()
            yield from told

    def audio_so_far(self) -> Iterator[str]:
        """Yield what passed since the last line, in the order in which it began."""
        for side, (since_ms, size) in sorted(self._passed.items(), key=lambda each: each[1][0]):
            yield from _told(since_ms, _SPEAKERS[side], f"[audio {_duration(self._audio[side], size)}]")
        self._passed.clear()

    def _heard(self, side: Side, at_ms: int, size: int) -> None:
        since_ms, before = self._passed.get(side, (at_ms, 0))
        self._passed[side] = since_ms, before + size
        audio = self._audio[side]
        if side == "server_to_client" and audio.is_sampled:
            count = size // (audio.format.bytes_per_sample or 1)
            _consume(self._agent.arrived(self._agent_time(at_ms), self._agent_samples, count))
            self._agent_samples += count

    def _agent_time(self, at_ms: int) -> int:
        return at_ms * self._audio["server_to_client"].format.sample_rate // 1000

    def _parts(self, line: RecordedLine, kind: str | None, at_ms: int) -> Iterator[tuple[str, str]]:
        """Yield who, and what, for each thing that a line says."""
        if line.direction == "gateway":
            if kind in _BY_GATEWAY and is_of_order(str(_in(line.payload, "violation", "rule"))):
                yield "gateway", _of_gateway(kind, line.payload)
        elif kind == "UserStartedSpeaking":
            yield "user", self._started_speaking(at_ms)
        elif kind == "FunctionCallResponse" and self._is_repeated(line):
            return
        elif kind not in _SILENT:
            yield from _said(line.payload, kind, _SENDERS[line.direction])

    def _is_repeated(self, line: RecordedLine) -> bool:
        """Return whether the service repeats a client's answer, as it may (docs/emulator-fidelity.md)."""
        call = line.payload.get("id")
        if line.direction == "client_to_server":
            self._answered.add(str(call))
            return False
        return str(call) in self._answered

    def _started_speaking(self, at_ms: int) -> str:
        at = self._agent_time(at_ms)
        unheard = self._agent.unheard(at)
        _consume(self._agent.interrupted(at))
        if not unheard:
            return "(starts to speak)"
        unheard_seconds = unheard / self._audio["server_to_client"].format.sample_rate
        return f"(starts to speak and interrupts the agent, {unheard_seconds:.2f} s of whose audio is not heard)"


def _said(message: Any, kind: str | None, sender: str) -> Iterator[tuple[str, str]]:
    """Yield what a message of one of both sides says."""
    if kind == "ConversationText":
        yield ("user" if message.get("role") == "user" else "agent"), str(message.get("content"))
    elif kind == "FunctionCallRequest":
        for call in _list_in(message, "functions"):
            yield "function", f"{_one_line(call.get('name'))}({_one_line(call.get('arguments'))}) is called"
    elif kind == "FunctionCallResponse":
        yield "function", f"{_one_line(message.get('name'))} answers {_one_line(message.get('content'))}"
    elif kind in ("Error", "Warning"):
        yield sender, f"{kind} {_one_line(message.get('code'))}: {_one_line(message.get('description'))}"
    elif kind == "LatencyReport":
        total_ms = total_latency_ms(message)
        if total_ms is not None:  # the others are parts of it
            yield sender, f"LatencyReport: {total_ms / 1000:.2f} s in all"
    elif kind in ("InjectUserMessage", "InjectAgentMessage"):
        yield sender, f"{kind}: {_one_line(message.get('content') or message.get('message'))}"
    elif kind in ("Settings", "SettingsApplied", "AgentAudioDone"):
        yield sender, kind
    elif kind == LEFT_OUT:
        yield sender, f"(a text of {message.get('bytes')} bytes is left out)"
    elif kind == NOT_JSON:
        yield sender, f"(not JSON) {_one_line(message.get('text'))}"
    else:
        yield sender, _as_json(message)


def _of_gateway(kind: str | None, event: Mapping[str, Any]) -> str:
    if kind == "RuleBroken":
        return f"the protocol was broken: {_one_line(_in(event, 'violation', 'what'))}"
    if kind == "SessionStalled":
        stalled_ms = _in(event, "stall", "ms")
        return f"stalled, {_one_line(_in(event, 'stall', 'kind'))}, for {_seconds(stalled_ms)}"
    if kind == "MessageSkipped":
        return f"a message of {event.get('bytes')} bytes was too long to be read"
    if kind == LOST:
        return f"(a gap in the recording of {_lost(event)})"
    return f"(the recording was cut short: {_one_line(event.get('why'))})"


def _lost(event: Mapping[str, Any]) -> str:
    what = _SPEAKERS.get(str(event.get("direction")), "the gateway")
    return f"{event.get('bytes', event.get('events'))} {'bytes' if 'bytes' in event else 'events'} of {what}"


def _duration(audio: SessionAudio, size: int) -> str:
    ms = audio.milliseconds(size)
    if ms is not None:
        return f"{ms / 1000:.2f} s"
    return f"of {size} bytes, {audio.format.encoding if audio.container == 'none' else audio.container}"


def _told(at_ms: int, who: str, text: str) -> Iterator[str]:
    first, *more = _clean(text, _LONGEST_TEXT).split("\n")
    yield f"{at_ms / 1000:9.2f}  {who:<9} {first}".rstrip()
    yield from (f"{_INDENT}{line}".rstrip() for line in more)


def _clean(text: str, longest: int) -> str:
    """Return a text of bounded length that no terminal obeys, and that every file can hold."""
    left_out = len(text) - longest
    shown = f"{text[:longest]} … ({left_out} characters more)" if left_out > 0 else text
    return shown.translate(_ESCAPED).encode("utf-8", "backslashreplace").decode()


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else _as_json(value)
    return " ".join(text.split())


def _as_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_JSON else f"{text[:_LONGEST_JSON]} …"


def _seconds(ms: Any) -> str:
    return f"{ms / 1000:.2f} s" if isinstance(ms, (int, float)) else "an unknown time"


def _in(event: Mapping[str, Any], *names: str) -> Any:
    value: Any = event
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _list_in(message: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = message.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _consume(parts: Iterator[object]) -> None:
    for _ in parts:
        pass
