import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from pytest_dgbudget import DgBudgetError, VoiceAgent


@pytest.mark.dg_budget("1s")
def test_swallows(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with suppress(DgBudgetError), voice_agent.connect() as session:
        session.expect("Nothing", timeout="5s")
    with sqlite3.connect(".dgbudget/ledger.db") as ledger:
        while not ledger.execute("SELECT * FROM lease_end").fetchall():
            time.sleep(0.01)
    signal_gateway(signal.SIGKILL)
