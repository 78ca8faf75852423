import signal
import sqlite3
import time
from collections.abc import Callable

from pytest_dgbudget import VoiceAgent


def welcomed() -> bool:
    with sqlite3.connect(".dgbudget/ledger.db") as ledger:
        return ledger.execute("SELECT request_id FROM welcome").fetchone() is not None


def test_kills(voice_agent: VoiceAgent, signal_gateway: Callable[[int], None]) -> None:
    with voice_agent.connect():
        time.sleep(0.3)
        while not welcomed():  # a Welcome that is not on the disk yet would be lost with the gateway
            time.sleep(0.01)
        signal_gateway(signal.SIGKILL)
