"""Children that use what is their parent's: each thing works, or fails at once."""

import os
import signal
import time
from collections.abc import Callable

from websockets.sync.client import connect

from pytest_dgbudget import VoiceAgent


def in_child(use: Callable[[], object]) -> str:
    """Fork, and return what the child got or what it failed with; a child that hangs is killed after ten seconds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            said = str(use())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def opens(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        session.say("hello")


def test_fixture_is_the_parents(voice_agent: VoiceAgent) -> None:
    for _ in range(2):
        began = time.monotonic()
        said = in_child(lambda: opens(voice_agent))
        assert said.startswith("GatewayError: this process was forked in the middle of a test")
        assert "connect to voice_agent.endpoint with a client of your own" in said
        assert in_child(lambda: voice_agent.usage).startswith("GatewayError")
        assert time.monotonic() - began < 5
    opens(voice_agent)


def test_a_session_is_the_parents(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert in_child(lambda: session.say("hello")).startswith("GatewayError")
        assert in_child(lambda: session.close()).startswith("GatewayError")
        assert session.say("still here").reply


def test_the_endpoint_is_the_childs_as_well(voice_agent: VoiceAgent) -> None:
    def welcomed() -> object:
        headers = {"Authorization": f"Token {voice_agent.endpoint.api_key}"}
        with connect(voice_agent.endpoint.agent_url, additional_headers=headers, proxy=None) as session:
            return session.recv(10)

    assert "Welcome" in in_child(welcomed)
