"""After the tests, the ledger is gone and the gateway with it."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from _pytest.main import pytest_runtestloop as run_tests


def pytest_runtestloop(session: pytest.Session) -> bool:
    run_tests(session)
    (gateway,) = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    shutil.rmtree(".dgbudget")
    os.kill(int(gateway), signal.SIGKILL)
    return True
