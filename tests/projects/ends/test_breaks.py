import sqlite3

from pytest_dgbudget import VoiceAgent


def test_breaks(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hi")
    with sqlite3.connect(".dgbudget/ledger.db") as ledger:
        ledger.execute("DROP TABLE wait")
