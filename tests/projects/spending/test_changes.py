import time

from pytest_dgbudget import VoiceAgent

STANDARD = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}
ADVANCED = {"provider": {"type": "anthropic", "model": "claude-sonnet-4-5"}}
SETTINGS = {
    "type": "Settings",
    "audio": {"input": {"encoding": "linear16", "sample_rate": 16000}},
    "agent": {"think": STANDARD, "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}}},
}


def test_changes(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect(settings=SETTINGS) as session:
        time.sleep(4)
        session.update_think(ADVANCED)
        time.sleep(4)
