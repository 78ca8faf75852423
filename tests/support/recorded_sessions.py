"""Recordings of sessions that never were: each with what passed when, as a gateway would have written it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.recording.lines import Side
from tests.support.recordings import ATTEMPT, CLIENT, DIALLED_MS, SESSION, VENDOR, Recorder, wire

GATEWAY = "gateway"

# When (milliseconds after the dial), who, and what: JSON, audio, or an event's name with its fields.
Step = tuple[int, str, Any]
WELCOME: Step = (200, VENDOR, {"type": "Welcome", "request_id": "4f0c-request"})


def settings(
    encoding: str = "linear16", rate: int = 8000, *, output_encoding: str | None = None, output_rate: int | None = None
) -> Step:
    """Return Settings with this input, and this output where it differs."""
    given = {"encoding": encoding, "sample_rate": rate}
    output = {"encoding": output_encoding or encoding, "sample_rate": output_rate or rate}
    return 210, CLIENT, {"type": "Settings", "audio": {"input": given, "output": output}}


def ended(ms: int, closed_by: str = "client", code: int | None = 1000) -> Step:
    usage = {"ms": ms, "closed_by": closed_by, "close_code": code, "reason": None, "request_id": "4f0c-request"}
    return ms, GATEWAY, ("SessionEnded", {"usage": usage})


def record(
    folder: Path,
    steps: Sequence[Step],
    *,
    session: str = SESSION,
    close_reason: str = "",
    ends: bool = True,
    keeps_audio: bool = True,
) -> Path:
    """Record a session; return the folder of its attempt."""
    recorder = Recorder(folder, keeps_audio=keeps_audio)
    recording = recorder.begin(session)
    recording.happened("SessionDialled", 0, {})
    for at_ms, who, what in steps:
        if who == GATEWAY:
            recording.happened(what[0], at_ms, what[1])
        else:
            side: Side = "client_to_server" if who == CLIENT else "server_to_client"
            chunk = Chunk(DIALLED_MS + at_ms, wire(side, what))
            (recording.client_sent if who == CLIENT else recording.vendor_sent)(chunk)
    if ends:
        recording.ended(close_reason)
    recorder.close()
    return folder / ATTEMPT
