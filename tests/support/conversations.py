"""Conversations of a client with an agent, through a gateway that records them: cassettes of sessions that were."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.making import cassette_of
from pytest_dgbudget.recording.reading import read_recording
from tests.support.gateway import opened
from tests.support.speech import linear16, silence, tone

RATE = 8000
_FRAME = RATE * 20 // 1000 * 2
SETTINGS = {
    "type": "Settings",
    "audio": {
        "input": {"encoding": "linear16", "sample_rate": RATE},
        "output": {"encoding": "linear16", "sample_rate": RATE, "container": "none"},
    },
    "agent": {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "prompt": "Be brief.",
            "functions": [{"name": "look_up_order", "description": "Look up an order by its number."}],
        },
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        "greeting": "Hello, this is the order desk.",
    },
}


class Caller:
    """A client that waits for what it was promised."""

    def __init__(self, session: ClientConnection) -> None:
        self._session = session

    def begin(self) -> None:
        self.until("Welcome")
        self.send(SETTINGS)
        self.until("SettingsApplied")
        self.until("AgentAudioDone")

    def send(self, message: dict[str, Any]) -> None:
        self._session.send(json.dumps(message))

    def until(self, kind: str) -> dict[str, Any]:
        """Wait for a message of this type; what comes before it is passed over."""
        while True:
            data = self._session.recv(20)
            if isinstance(data, str) and (message := json.loads(data))["type"] == kind:
                found: dict[str, Any] = message
                return found

    def say(self, text: str) -> None:
        self.send({"type": "InjectUserMessage", "content": text})
        self.until("AgentAudioDone")

    def speak(self, ms: int) -> None:
        """Say something of this duration, and stay on the line until the agent has answered."""
        audio = linear16(tone(ms, RATE) + silence(1000, RATE))
        begun = time.monotonic()
        for number, at in enumerate(range(0, len(audio), _FRAME)):
            time.sleep(max(0.0, begun + number * 0.02 - time.monotonic()))
            self._session.send(audio[at : at + _FRAME])
        self.until("AgentAudioDone")


def orders(session: ClientConnection) -> None:
    """Texts, a function, an update; the client closes."""
    caller = Caller(session)
    caller.begin()
    caller.send({"type": "InjectUserMessage", "content": "Please look up order A-17."})
    (call,) = caller.until("FunctionCallRequest")["functions"]
    time.sleep(0.1)
    caller.send({"type": "FunctionCallResponse", "id": call["id"], "name": call["name"], "content": "on its way"})
    caller.until("AgentAudioDone")
    caller.send({"type": "UpdatePrompt", "prompt": "Be briefer."})
    caller.until("PromptUpdated")
    caller.say("Thank you.")
    caller.say("How are you?")


def on_the_phone(session: ClientConnection) -> None:
    """The user speaks, twice, with silence around it."""
    caller = Caller(session)
    caller.begin()
    caller.speak(600)
    caller.speak(400)


def hung_up_on(session: ClientConnection) -> None:
    """The agent closes."""
    caller = Caller(session)
    caller.begin()
    caller.say("Thank you.")
    caller.send({"type": "InjectUserMessage", "content": "Goodbye."})
    try:
        while True:
            session.recv(20)
    except ConnectionClosed:
        pass


CONVERSATIONS: tuple[Callable[[ClientConnection], None], ...] = (orders, on_the_phone, hung_up_on)
# What makes the agent close.
SCENARIO = """
[[scenario]]
name = "orders"

[[scenario.turn]]
text = "Goodbye."
reply = "Goodbye!"
then = [{ wait = "100ms", close = 1000 }]
"""


def recorded(url: str, key: str, folder: Path) -> Iterator[Cassette]:
    """Have all of the conversations with the agent at this address, and yield their cassettes."""
    for conversation in CONVERSATIONS:
        recordings = folder / conversation.__name__
        with (
            opened(url, folder, recording_dir=recordings, api_key=key, is_rehearsal=True) as gateway,
            gateway.session(gateway.grant().token) as session,
        ):
            conversation(session)
        (only,) = recordings.glob("*/*")
        yield cassette_of(read_recording(only))
