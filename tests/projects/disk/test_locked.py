import sqlite3

import pytest

from pytest_dgbudget import LedgerError, VoiceAgent


def test_refused(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
    ledger = sqlite3.connect(".dgbudget/ledger.db", isolation_level=None, timeout=10)
    while not ledger.execute("SELECT * FROM lease_end").fetchall():
        pass
    ledger.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked"):
        voice_agent.connect().__enter__()
    ledger.execute("ROLLBACK")
    ledger.close()


def test_after(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
