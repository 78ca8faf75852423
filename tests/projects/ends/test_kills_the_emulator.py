import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_dgbudget import GatewayError, SessionClosed, VoiceAgent


def emulators() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            here = (process / "cwd").readlink() == Path.cwd()
            if here and b"pytest_dgbudget.emulator" in (process / "cmdline").read_bytes():
                yield int(process.name)


def test_what_it_has_set_holds_on(voice_agent: VoiceAgent) -> None:
    """The first time, the run starts another one in its place."""
    voice_agent.emulator.scenario({"turn": [{"reply": "as set"}]})
    (emulator,) = emulators()
    os.kill(emulator, signal.SIGKILL)
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "as set"


def test_loses_it(voice_agent: VoiceAgent) -> None:
    with pytest.raises(SessionClosed, match="network"), voice_agent.connect() as session:
        (emulator,) = emulators()
        os.kill(emulator, signal.SIGKILL)
        session.say("hi")


def test_has_none(voice_agent: VoiceAgent) -> None:
    with pytest.raises(GatewayError, match="the emulator of this run has ended"), voice_agent.connect():
        pass
    with pytest.raises(GatewayError, match="has ended"):
        voice_agent.emulator.journal()
