"""What a visitor's browser does: a conversation over the application's own WebSocket."""

import json
from typing import Any

from websockets.sync.client import ClientConnection, connect

SETTINGS = {
    "type": "Settings",
    "audio": {
        "input": {"encoding": "linear16", "sample_rate": 24000},
        "output": {"encoding": "linear16", "sample_rate": 24000, "container": "none"},
    },
    "agent": {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "Answer in one short sentence."},
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    },
}


def reply_to(question: str, port: int) -> str:
    """Ask the agent something through the application that listens at this port, and return the agent's words."""
    with connect(f"ws://127.0.0.1:{port}/api/voice-agent", proxy=None) as application:
        return converse(application, question)


def converse(agent: ClientConnection, question: str) -> str:
    _received(agent, "Welcome")
    agent.send(json.dumps(SETTINGS))
    _received(agent, "SettingsApplied")
    agent.send(json.dumps({"type": "InjectUserMessage", "content": question}))
    return str(_received(agent, "ConversationText", role="assistant")["content"])


def _received(agent: ClientConnection, type_: str, **fields: str) -> dict[str, Any]:
    while True:
        message = agent.recv(10)
        if isinstance(message, bytes):
            continue
        event: dict[str, Any] = json.loads(message)
        if event.items() >= {"type": type_, **fields}.items():
            return event
