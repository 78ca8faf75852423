import signal
from collections.abc import Callable

import pytest

from pytest_dgbudget import HandshakeRefused, VoiceAgent


@pytest.mark.dg_target("emulator")
@pytest.mark.dg_scenario("played.toml")
def test_goes_on(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    signal_gateway(signal.SIGKILL)
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "as written"


@pytest.mark.dg_target("emulator")
@pytest.mark.dg_scenario("played.toml")
def test_what_it_has_set_goes_on(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    voice_agent.emulator.scenario({"turn": [{"reply": "as set"}]})
    voice_agent.emulator.fault("refuse", status=599)
    signal_gateway(signal.SIGKILL)
    with pytest.raises(HandshakeRefused, match="599"):
        voice_agent.connect().__enter__()
    voice_agent.emulator.clear_faults()
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "as set"
