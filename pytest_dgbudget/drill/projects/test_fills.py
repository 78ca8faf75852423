"""A disk without room, as files have it that may grow no further: no root is needed for that."""

import resource
from collections.abc import Callable

import pytest

from pytest_dgbudget import LedgerError, SessionClosed, VoiceAgent

# A new ledger's log takes 370 KB, and 50 KB more with each session. The gateway inherits the limit.
LARGEST_FILE = 600_000


@pytest.fixture(scope="session", autouse=True)
def small_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, hard))


def test_fills(voice_agent: VoiceAgent, note: Callable[[str], None]) -> None:
    refused = pytest.raises((LedgerError, SessionClosed))
    with voice_agent.connect() as kept:
        with refused:
            while True:
                note("over")  # should nothing be recorded any more
                with voice_agent.connect():
                    pass
        with refused:
            kept.expect("NoSuchMessage", timeout=30)
