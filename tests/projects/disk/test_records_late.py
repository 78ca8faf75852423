"""Somebody holds the ledger while sessions end, for longer than a call waits."""

import sqlite3
import time

from pytest_dgbudget import VoiceAgent


def test_two_sessions(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hello")
        with voice_agent.connect():
            ledger = sqlite3.connect(".dgbudget/ledger.db", isolation_level=None, timeout=10)
            ledger.execute("BEGIN IMMEDIATE")
        time.sleep(12)
        assert session.say("still here").reply
    ledger.execute("ROLLBACK")
    ledger.close()
