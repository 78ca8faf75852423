"""An application that is started once for many tests, in every run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import pytest

from pytest_dgbudget import Endpoint, VoiceAgent


@pytest.fixture(scope="session")
def application(voice_agent_endpoint: Endpoint) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "server.py"],
        env={**os.environ, **voice_agent_endpoint.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.terminate()


def test_one_visit(application: "subprocess.Popen[str]") -> None:
    assert "Welcome" in visit(application)


def test_two_visits(application: "subprocess.Popen[str]", voice_agent: VoiceAgent) -> None:
    assert "Welcome" in visit(application)
    assert "Welcome" in visit(application)
    assert voice_agent.usage.sessions == 2


def visit(application: "subprocess.Popen[str]") -> str:
    print("visit", file=_pipe(application.stdin), flush=True)
    return _pipe(application.stdout).readline()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
