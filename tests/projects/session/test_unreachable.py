"""A vendor that can't be reached."""

import pytest

from pytest_dgbudget import HandshakeRefused, VoiceAgent


def test_unreachable(voice_agent: VoiceAgent) -> None:
    with pytest.raises(HandshakeRefused, match="--dg-agent-url") as caught, voice_agent.connect():
        pass
    assert caught.value.status == 502
