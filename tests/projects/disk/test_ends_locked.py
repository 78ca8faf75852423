"""Somebody holds the ledger from the middle of a session on, until pytest has ended."""

import sqlite3

from pytest_dgbudget import VoiceAgent

ledger = sqlite3.connect(".dgbudget/ledger.db", isolation_level=None, timeout=10)


def test_it(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        ledger.execute("BEGIN IMMEDIATE")
