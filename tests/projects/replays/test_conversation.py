"""A conversation with function calls, audio both ways, and an interruption."""

import os
import time
from pathlib import Path
from typing import Any

from pytest_dgbudget import VoiceAgent

ORDER_STATUS = {
    "name": "order_status",
    "description": "Where an order is.",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
}
SETTINGS: dict[str, Any] = {
    "audio": {
        "input": {"encoding": "linear16", "sample_rate": 16000},
        "output": {"encoding": "linear16", "sample_rate": 16000, "container": "none"},
    },
    "agent": {
        "greeting": "Hello!",
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "functions": [ORDER_STATUS]},
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    },
}
SECONDS = float(os.environ.get("SECONDS", "1"))
SPEECH = b"".join(((-1) ** (n // 40) * (9000 + n % 100)).to_bytes(2, "little", signed=True) for n in range(16000))


def test_conversation(voice_agent: VoiceAgent) -> None:
    began = time.monotonic()
    with voice_agent.connect(settings=SETTINGS) as session:

        @session.on_function("order_status")
        def order_status(order_id: str) -> str:
            return f"{order_id} is on its way."

        assert session.say("two lookups").reply == "The last of them: B-2 is on its way."
        session.send_audio(SPEECH * round(SECONDS), pace=None)
        assert session.wait_for_reply().user_transcript == "What is the weather like today?"
        session.send({"type": "InjectUserMessage", "content": "talk at length"})
        cut = session.barge_in("Stop, please.", after="600ms")
        assert cut.user_transcript == "Stop, please."
        assert session.wait_for_reply().reply == "You said: Stop, please."
    Path("took").write_text(f"{time.monotonic() - began:.3f}", encoding="ascii")
