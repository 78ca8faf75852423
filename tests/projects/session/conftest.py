"""``on("scene")`` connects to a scene of the scripted vendor, and says in a header which test does."""

from collections.abc import Callable
from typing import Any

import pytest

from pytest_dgbudget import VoiceAgent
from pytest_dgbudget.client.voice_agent import Connect


@pytest.fixture
def on(voice_agent: VoiceAgent, request: pytest.FixtureRequest) -> Callable[..., Connect]:
    def on(scene: str = "", **fields: Any) -> Connect:
        headers = {"x-deepgram-scene": scene, "x-deepgram-test": request.node.name}
        return voice_agent.connect(headers=headers, **fields)

    return on
