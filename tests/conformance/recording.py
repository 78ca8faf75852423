"""What an SDK's program has seen of one conversation, and what it must have seen."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support import vendor_messages

PATIENCE = 60.0  # seconds; a conversation takes about ten
SILENCE = bytes(2 * 16 * 700)
WEATHER = "Rain, 9 degrees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """``messages`` in order: each has its type, the fields it came with, and how the SDK took it.

    ``asked_for_weather``: what the function with an endpoint was called with.
    """

    messages: Sequence[Mapping[str, Any]]
    audio_bytes: int
    asked_for_weather: Sequence[Any]

    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def said(self) -> list[tuple[str, str]]:
        """Who said what."""
        return [(line["role"], line["content"]) for line in self.of("ConversationText")]

    def of(self, kind: str) -> list[Any]:
        """The fields of each message of this type."""
        return [message["fields"] for message in self.messages if message["type"] == kind]


def hold(command: Sequence[str], addresses: Mapping[str, str], folder: Path) -> Recording:
    """Run a program that holds the conversation and prints one JSON document."""
    speech = write_speech(folder)
    agent = urlsplit(addresses["agent_url"])
    with endpoint() as (weather, asked):
        told = {
            "DEEPGRAM_API_KEY": addresses["api_key"],
            "EMULATOR_AGENT": f"ws://{agent.netloc}",
            "EMULATOR_API": addresses["api_url"],
            "SPEECH": str(speech),
            "WEATHER": weather,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(command, env=environment | told, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return Recording(**json.loads(done.stdout), asked_for_weather=asked)


def write_speech(folder: Path) -> Path:
    """Write what the program is to say aloud: a second of a voice, and the silence after which that is a turn."""
    speech = folder / "speech.raw"
    speech.write_bytes(b"".join(voice.frames(AudioFormat("linear16", 16000), 1000)) + SILENCE)
    return speech


@contextmanager
def endpoint() -> Iterator[tuple[str, list[Any]]]:
    """Yield the URL of a function on this machine, and the arguments that it is called with."""
    asked: list[Any] = []

    class Weather(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(WEATHER.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Weather) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/weather", asked
        finally:
            server.shutdown()


def whole(recording: Recording) -> None:
    """Every step of the conversation is there, in order."""
    types = recording.types()
    assert types[:2] == ["Welcome", "SettingsApplied"]
    said = recording.said()
    assert said[0] == ("assistant", "Hi")
    assert said[1] == ("user", "Where is order A-17?")
    assert "It is in Oslo." in said[2][1]
    assert said[3][1].startswith("(speech")
    assert said[4][0] == "assistant"
    assert said[5] == ("user", "What is the weather in Paris?")
    assert WEATHER in said[6][1]
    assert said[7] == ("assistant", "Goodbye")
    assert len(said) == 8
    calls = [call for message in recording.of("FunctionCallRequest") for call in message["functions"]]
    assert [(call["name"], json.loads(call["arguments"]), call["client_side"]) for call in calls] == [
        ("get_order", {"order_id": "A-17"}, True),
        ("get_weather", {"city": "Paris"}, False),
    ]
    assert recording.asked_for_weather == [{"city": "Paris"}]
    responses = [(response["id"], response["content"]) for response in recording.of("FunctionCallResponse")]
    assert responses == [(calls[0]["id"], "It is in Oslo."), (calls[1]["id"], WEATHER)]
    assert types.count("AgentAudioDone") == 5
    assert {"UserStartedSpeaking", "PromptUpdated", "SpeakUpdated", "History", "LatencyReport"} <= set(types)
    assert not {"Error", "Warning"} & set(types)
    assert recording.audio_bytes == 32 * sum(voice.duration_ms(text) for role, text in said if role == "assistant")


def every_message_is_valid(addresses: Mapping[str, str], recording: Recording) -> None:
    """All that the emulator sent has the vendor's forms, as its journal has it."""
    (welcome,) = recording.of("Welcome")
    lines = Path(addresses["journal"]).read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["request_id"] == welcome["request_id"]]
    sent = [record["payload"] for record in records if record["direction"] == "server_to_client"]
    messages = [message for message in sent if not message["type"].startswith("(")]
    assert len(messages) >= len(recording.messages)
    for message in messages:
        vendor_messages.check(message)
