from pytest_dgbudget import VoiceAgent

SETTINGS = {
    "type": "Settings",
    "audio": {"input": {"encoding": "linear16", "sample_rate": 16000}},
    "agent": {
        "think": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}},
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    },
}


def test_waits(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        session.expect("Never", timeout="20s")
