"""A caller speaks over the agent's greeting, and the test fails."""

import math
import time
from array import array

from pytest_dgbudget import VoiceAgent

RATE = 24_000
GREETING = "Welcome to the order desk, where you can ask about an order, change an address, or send something back."


def tone(seconds: float) -> bytes:
    return array(
        "h", (round(9000 * math.sin(2 * math.pi * 310 * n / RATE)) for n in range(int(seconds * RATE)))
    ).tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE))


# Too short for the emulator to take it for speech.
STUTTER = 5 * (tone(0.04) + silence(0.06))


def test_a_caller_who_speaks_over_the_agent_is_heard(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings={"type": "Settings", "agent": {"greeting": GREETING}}) as session:
        session.expect("ConversationText", role="assistant")
        time.sleep(2)
        session.send_audio(STUTTER + tone(1.5) + silence(1))
        session.expect("ConversationText", role="user", timeout="5s")
        raise AssertionError("on purpose")
