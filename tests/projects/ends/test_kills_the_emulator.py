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


@pytest.mark.parametrize("time", ["first", "second"])
def test_loses_it(voice_agent: VoiceAgent, time: str) -> None:
    """The first time, the run starts another one in its place."""
    with pytest.raises(SessionClosed, match="network"), voice_agent.connect() as session:
        (emulator,) = emulators()
        os.kill(emulator, signal.SIGKILL)
        session.say("hi")


def test_has_none(voice_agent: VoiceAgent) -> None:
    with pytest.raises(GatewayError, match="the emulator of this run has ended"), voice_agent.connect():
        pass
    with pytest.raises(GatewayError, match="has ended"):
        voice_agent.emulator.journal()
