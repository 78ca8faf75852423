"""A session by each client, in an encoding; beside the cassettes stands what each has sent and heard."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent

SPOKEN = bytes(range(1, 251)) * 64


def settings(encoding: str) -> dict[str, Any]:
    audio = {"encoding": encoding, "sample_rate": 8000}
    return {
        "type": "Settings",
        "audio": {"input": audio, "output": {**audio, "container": "none"}},
        "agent": {
            "greeting": "Hello",
            "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
            "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "prompt": "Be brief."},
            "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        },
    }


@pytest.mark.parametrize("encoding", ["linear16", "mulaw"])
def test_ours(voice_agent: VoiceAgent, encoding: str) -> None:
    with voice_agent.connect(settings=settings(encoding)) as session:
        session.say("Where is my order?")
        heard = session.audio
    Path(f"ours-{encoding}.heard").write_bytes(heard)


@pytest.mark.parametrize("encoding", ["linear16", "mulaw"])
def test_raw(encoding: str) -> None:
    headers = {"Authorization": f"Token {os.environ['DEEPGRAM_API_KEY']}"}
    heard = bytearray()
    with connect(os.environ["DGBUDGET_AGENT_URL"], additional_headers=headers, proxy=None) as socket:
        assert json.loads(socket.recv())["type"] == "Welcome"
        socket.send(json.dumps(settings(encoding)))
        while True:
            received = socket.recv(timeout=30)
            if isinstance(received, bytes):
                heard += received
            elif json.loads(received)["type"] == "AgentAudioDone":
                break
        for at in range(0, len(SPOKEN), 320):
            socket.send(SPOKEN[at : at + 320])
        socket.send('{"type": "KeepAlive"}')
    Path(f"raw-{encoding}.heard").write_bytes(heard)
    Path(f"raw-{encoding}.sent").write_bytes(SPOKEN)
