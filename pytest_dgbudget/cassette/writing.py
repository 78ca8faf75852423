"""A cassette as the bytes of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_dgbudget.cassette.audio import audio_file
from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteText
from pytest_dgbudget.cassette.numbering import LATENCY, latencies_in
from pytest_dgbudget.cassette.runs import Unlisted, runs_of
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.recording.lines import AUDIO_FILES, LINES_FILE, Side, to_json

RECORDING_FILE = "recording.json"
SCHEMA = "dgbudget.cassette/1"
SIDES: Mapping[str, Side] = {"client": "client_to_server", "server": "server_to_client"}
SIDE_NAMES: Mapping[Side, str] = {side: name for name, side in SIDES.items()}
AUDIO_LINE = {"from": "server", "audio": True}
KEEP_ALIVE = {"type": "KeepAlive"}
MOST_SAMPLE_RATE = 192_000
# Of objects and arrays within one another: what is deeper, Python's own recursion may not reach.
DEEPEST = 100
# All that the vendor's AsyncAPI file names, and containers. Any other is a client's own word, which may be anything.
ENCODINGS = {
    *("linear16", "linear32", "mulaw", "alaw", "flac", "amr-nb", "amr-wb", "opus", "ogg-opus", "speex", "g729"),
    *("mp3", "aac"),
}


def files_of(cassette: Cassette) -> Mapping[str, bytes]:
    """Return the files of a cassette's folder by their names."""
    lines: list[bytes] = []
    instants: list[int] = []
    latencies: dict[str, Any] = {}
    keep_alives: list[Unlisted] = []
    messages: dict[Side, list[Unlisted]] = {side: [] for side in AUDIO_FILES}
    for event, begins_audio in with_audio_lines(cassette.events):
        if begins_audio:
            lines.append(to_json(AUDIO_LINE))
            instants.append(event.at_ms)
        if isinstance(event, CassetteAudio):
            messages[event.side].append(Unlisted(line=len(lines), at_ms=event.at_ms, size=event.size))
        elif not has_a_line(event):
            keep_alives.append(Unlisted(line=len(lines), at_ms=event.at_ms, size=0))
        else:
            lines.append(to_json(_line(event)))
            instants.append(event.at_ms)
            if found := latencies_in(event.payload):
                latencies[str(len(lines))] = found
    audio = {side: _audio(cassette, side, messages[side]) for side in AUDIO_FILES}
    described = {
        **_facts(cassette),
        "lines": instants,
        "latencies": latencies,
        "keep_alives": runs_of(keep_alives),
        **{AUDIO_FILES[side]: description for side, (description, _) in audio.items()},
    }
    return {
        LINES_FILE: b"".join(line + b"\n" for line in lines),
        RECORDING_FILE: _one_key_a_line(described),
        **{description["file"]: file for description, file in audio.values() if description["file"] is not None},
    }


def with_audio_lines(events: Sequence[CassetteEvent]) -> Iterator[tuple[CassetteEvent, bool]]:
    """Yield the events, and whether a run of the agent's audio, which has one line, begins with it."""
    goes_on = False
    for event in events:
        if event.side == "client_to_server":
            yield event, False
            continue
        is_audio = isinstance(event, CassetteAudio)
        yield event, is_audio and not goes_on
        goes_on = is_audio


def size_of_audio(events: Iterable[CassetteEvent], side: Side) -> int:
    return sum(event.size for event in events if isinstance(event, CassetteAudio) and event.side == side)


def has_a_line(event: CassetteEvent) -> bool:
    """True for a text message that is no KeepAlive: those come when a client likes."""
    return isinstance(event, CassetteText) and (event.side, event.payload) != ("client_to_server", KEEP_ALIVE)


def depth_of(value: Any) -> int:
    """Return how many objects and arrays are within one another."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _line(text: CassetteText) -> dict[str, Any]:
    message = text.payload
    if latencies := dict.fromkeys(latencies_in(message), LATENCY):
        message = {**message, **latencies}
    line = {"from": SIDE_NAMES[text.side], "message": message}
    return {**line, "scrubbed": list(text.scrubbed)} if text.scrubbed else line


def _facts(cassette: Cassette) -> dict[str, Any]:
    facts = cassette.facts
    return {
        "schema": SCHEMA,
        "recorded_at": write_instant(facts.recorded_at),
        "seconds": facts.ms / 1000,
        "handshake_seconds": facts.handshake_ms / 1000,
        "cost_usd": None if facts.micro_usd is None else facts.micro_usd / 1_000_000,
        "tier": facts.tier,
        "closed_by": facts.closed_by,
        "close_code": facts.close_code,
        "close_reason": facts.close_reason,
    }


def _audio(cassette: Cassette, side: Side, messages: list[Unlisted]) -> tuple[dict[str, Any], bytes]:
    audio, audio_format = cassette.audio.get(side, b""), cassette.formats[side]
    suffix, file = audio_file(audio, audio_format) if audio else ("", b"")
    return {
        "file": f"{AUDIO_FILES[side]}.{suffix}" if audio else None,
        "encoding": audio_format.encoding,
        "sample_rate": audio_format.sample_rate,
        "messages": runs_of(messages),
    }, file


def _one_key_a_line(described: Mapping[str, Any]) -> bytes:
    return b"{\n" + b",\n".join(to_json(key) + b": " + to_json(value) for key, value in described.items()) + b"\n}\n"
