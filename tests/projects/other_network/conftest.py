"""The application in the other network: one that was started before pytest, or one for this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pytest_dgbudget import Endpoint

THERE = os.environ["THERE"]


@pytest.fixture(scope="session")
def application(voice_agent_endpoint: Endpoint) -> Iterator[str]:
    """Return HOST:PORT."""
    if "APPLICATION" in os.environ:
        yield os.environ["APPLICATION"]
        return
    command = [*os.environ["ENTER"].split(), sys.executable, "application.py", THERE]
    env = {**os.environ, "DEEPGRAM_API_KEY": voice_agent_endpoint.api_key}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield f"{THERE}:{started.stdout.readline().strip()}"
        started.terminate()
