"""A session in which secrets stand wherever one can stand, whoever says them; secrets.json names them."""

import json
import os
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

SECRETS: dict[str, str] = json.loads(Path("secrets.json").read_text(encoding="utf-8"))
TOKEN = os.environ["DEEPGRAM_API_KEY"]
AUDIO = {"encoding": "linear16", "sample_rate": 16000}
LOOKED_UP = {"name": "look_up", "description": "Looks up", "parameters": {"type": "object", "properties": {}}}


def settings() -> dict[str, Any]:
    endpoint = {"url": f"https://llm.example/v1?api_key={SECRETS['url']}", "headers": {"x-any": SECRETS["header"]}}
    think = {
        "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
        "endpoint": endpoint,
        "prompt": f"Our key is {SECRETS['key']}. The client's name is {SECRETS['name']}, card {SECRETS['card']}.",
        "functions": [LOOKED_UP],
    }
    return {
        "type": "Settings",
        "audio": {"input": AUDIO, "output": AUDIO},
        "agent": {
            "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
            "think": think,
            "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        },
    }


def of_type(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        received = socket.recv(timeout=30)
        if isinstance(received, str) and (message := json.loads(received))["type"] == kind:
            found: dict[str, Any] = message
            return found


def test_tells_secrets() -> None:
    headers = {"Authorization": f"Token {TOKEN}", "x-deepgram-any": SECRETS["header"]}
    Path("token.txt").write_text(TOKEN, encoding="utf-8")
    told = {name: secret for name, secret in SECRETS.items() if name != "password"}
    every = " ".join([*told.values(), TOKEN])
    with connect(os.environ["DGBUDGET_AGENT_URL"], additional_headers=headers, proxy=None) as socket:
        of_type(socket, "Welcome")
        socket.send(json.dumps(settings()))
        of_type(socket, "SettingsApplied")
        socket.send(json.dumps({"type": "InjectUserMessage", "content": f"look up {every}"}))
        (call,) = of_type(socket, "FunctionCallRequest")["functions"]
        answer = {"type": "FunctionCallResponse", "id": call["id"], "name": call["name"]}
        socket.send(json.dumps({**answer, "content": json.dumps({"found": SECRETS, "token": TOKEN})}))
        of_type(socket, "AgentAudioDone")
        socket.send(json.dumps({"type": "UpdatePrompt", "prompt": f"{every} {SECRETS['password']}"}))
        socket.close(1000, f"{SECRETS['key'][:60]} {SECRETS['card']}")
