"""A session with the fault that the environment's FAULT has as JSON."""

import json
import os

from pytest_dgbudget import VoiceAgent


def test_it(voice_agent: VoiceAgent) -> None:
    fault = json.loads(os.environ["FAULT"])
    voice_agent.emulator.fault(fault.pop("kind"), **fault)
    with voice_agent.connect({"type": "Settings", "audio": {}, "agent": {}}) as session:
        session.say("hi")
