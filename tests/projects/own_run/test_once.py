"""An application that is started once, in a process of its own, for all tests."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pytest_dgbudget import Endpoint, VoiceAgent

Visit = Callable[[], str]


@pytest.fixture(scope="session")
def visit(voice_agent_endpoint: Endpoint) -> Iterator[Visit]:
    """Have the application open a session, and keep it open until its next visitor comes."""
    with subprocess.Popen(
        [sys.executable, "server.py"],
        env={**voice_agent_endpoint.environ, "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as application:
        assert application.stdin is not None
        assert application.stdout is not None

        def ask() -> str:
            assert application.stdin is not None
            assert application.stdout is not None
            application.stdin.write("visit\n")
            application.stdin.flush()
            return application.stdout.readline()

        yield ask
        application.stdin.close()


def test_first(visit: Visit) -> None:
    assert "Welcome" in visit()


def test_second(visit: Visit, voice_agent: VoiceAgent) -> None:
    assert "Welcome" in visit()
    assert voice_agent.usage.sessions == 1


@pytest.mark.dg_budget("0")
def test_third_has_no_budget(visit: Visit) -> None:
    assert "402" in visit()


def test_fourth_visits_twice(visit: Visit) -> None:
    assert "Welcome" in visit()
    assert "Welcome" in visit()
