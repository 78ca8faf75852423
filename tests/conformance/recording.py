"""What an SDK's program has seen of one conversation, and what it must have seen."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_dgbudget.emulator.audio import voice
from pytest_dgbudget.rules.audio import AudioFormat

PATIENCE = 60.0  # seconds; a conversation takes about ten
SILENCE = bytes(2 * 16 * 700)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """``messages`` in order: each has its type, the fields it came with, and how the SDK took it."""

    messages: Sequence[Mapping[str, Any]]
    audio_bytes: int

    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def said(self) -> list[tuple[str, str]]:
        """Who said what."""
        lines = [message for message in self.messages if message["type"] == "ConversationText"]
        return [(line["fields"]["role"], line["fields"]["content"]) for line in lines]


def hold(command: Sequence[str], addresses: Mapping[str, str], folder: Path) -> Recording:
    """Run a program that holds the conversation and prints one JSON document."""
    speech = folder / "speech.raw"
    speech.write_bytes(b"".join(voice.frames(AudioFormat("linear16", 16000), 1000)) + SILENCE)
    agent = urlsplit(addresses["agent_url"])
    told = {
        "DEEPGRAM_API_KEY": addresses["api_key"],
        "EMULATOR_AGENT": f"ws://{agent.netloc}",
        "EMULATOR_API": addresses["api_url"],
        "SPEECH": str(speech),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=environment | told, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return Recording(**json.loads(done.stdout))


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
    assert said[5] == ("assistant", "Goodbye")
    assert len(said) == 6
    call = next(message for message in recording.messages if message["type"] == "FunctionCallRequest")
    (function,) = call["fields"]["functions"]
    assert function["name"] == "get_order"
    assert json.loads(function["arguments"]) == {"order_id": "A-17"}
    assert types.count("AgentAudioDone") == 4
    assert {"AgentThinking", "UserStartedSpeaking", "PromptUpdated", "SpeakUpdated", "History"} <= set(types)
    assert not {"Error", "Warning"} & set(types)
    assert recording.audio_bytes > 4 * 300 * 32
