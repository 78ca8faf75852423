"""Runs the program of COMMAND, which holds a conversation through an SDK; heard.json has what it saw."""

import json
import os
import subprocess
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def test_holds_a_conversation(voice_agent: VoiceAgent) -> None:
    endpoint = voice_agent.endpoint
    told = {"EMULATOR_AGENT": endpoint.ws_url, "EMULATOR_API": endpoint.base_url, "DEEPGRAM_API_KEY": endpoint.api_key}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | told
    command = json.loads(os.environ["COMMAND"])
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    Path("heard.json").write_text(done.stdout, encoding="utf-8")
