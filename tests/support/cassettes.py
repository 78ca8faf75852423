"""Cassettes of sessions that never were, by way of recordings as a gateway makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.making import cassette_of
from pytest_dgbudget.recording.reading import read_recording
from tests.support.recorded_sessions import GATEWAY, WELCOME, Step, record, settings
from tests.support.recordings import CLIENT, SESSION, VENDOR

CALL = {"id": "call_a81Zq0", "name": "order", "arguments": '{"number": "1234"}', "client_side": True}
ANSWERED = {key: CALL[key] for key in ("id", "name", "client_side", "arguments")}
# A function, audio both ways, an interruption.
CONVERSATION: tuple[Step, ...] = (
    WELCOME,
    settings(rate=16_000, output_rate=24_000),
    (420, VENDOR, {"type": "SettingsApplied"}),
    *((500 + 20 * n, CLIENT, bytes([n, 1] * 320)) for n in range(20)),
    (900, VENDOR, {"type": "UserStartedSpeaking"}),
    (1300, VENDOR, {"type": "ConversationText", "role": "user", "content": "Where is order 1234?"}),
    (1301, VENDOR, {"type": "History", "role": "user", "content": "Where is order 1234?"}),
    (1900, VENDOR, {"type": "FunctionCallRequest", "functions": [CALL]}),
    (
        1950,
        CLIENT,
        {"type": "FunctionCallResponse", "id": CALL["id"], "name": "order", "content": '{"état": "posted"}'},
    ),
    (1960, VENDOR, {"type": "History", "function_calls": [{**ANSWERED, "response": "posted"}]}),
    (2500, VENDOR, {"type": "ConversationText", "role": "assistant", "content": "It's posted … today."}),
    (2501, VENDOR, {"type": "LatencyReport", "ttt_text_latency": 0.42, "total_latency": 0.981}),
    *((2550 + 7 * n, VENDOR, bytes([1, n] * 480)) for n in range(20)),
    (2690, CLIENT, {"type": "KeepAlive"}),
    (2700, VENDOR, bytes([3] * 100)),
    (2710, VENDOR, {"type": "AgentAudioDone"}),
    (2800, CLIENT, {"type": "InjectUserMessage", "content": "Thanks"}),
)


def ended(at_ms: int = 3000, **usage: Any) -> Step:
    """Return the end of a session that opened: these fields of its usage, or others."""
    known: dict[str, Any] = {
        "ms": at_ms,
        "handshake_ms": 150,
        "closed_by": "client",
        "close_code": 1000,
        "micro_usd": 3750,
        "tier": "standard",
    }
    return at_ms, GATEWAY, ("SessionEnded", {"usage": {**known, **usage}})


def cassette(
    folder: Path, steps: Sequence[Step] = CONVERSATION, *, end: Step | None = None, reason: str = ""
) -> Cassette:
    """Return the cassette of a session that is recorded in this folder."""
    attempt = record(folder, [*steps, end or ended()], close_reason=reason)
    return cassette_of(read_recording(attempt / SESSION))
