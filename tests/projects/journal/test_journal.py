"""Each test reads what its own sessions did."""

import pytest

from pytest_dgbudget import VoiceAgent

SILENT = {"type": "Settings", "audio": {}, "agent": {}}


@pytest.mark.parametrize("n", range(4))
def test_journal(voice_agent: VoiceAgent, n: int) -> None:
    with voice_agent.connect(SILENT) as session:
        session.say(f"number {n}")
        records = voice_agent.emulator.journal()
    said = [record["payload"]["content"] for record in records if record["payload"]["type"] == "InjectUserMessage"]
    assert said == [f"number {n}"]
    assert {record["request_id"] for record in records} == {session.request_id}
    assert ("client_to_server", "Settings") in [(each["direction"], each["payload"]["type"]) for each in records]


def test_refusals(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.fault("refuse", status=503)
    with pytest.raises(ConnectionError):
        voice_agent.connect(SILENT).__enter__()
    (record,) = voice_agent.emulator.journal()
    assert record["payload"] == {"type": "(refused)", "status": 503, "code": "EMULATED_REFUSAL"}
