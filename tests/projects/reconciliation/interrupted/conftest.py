"""Ctrl-C, so many seconds after the end of the session began as DELAY says."""

import os
import signal
import threading

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    threading.Timer(float(os.environ["DELAY"]), os.kill, (os.getpid(), signal.SIGINT)).start()
