import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from pytest_dgbudget import GatewayError, VoiceAgent


@pytest.mark.xfail(raises=GatewayError, strict=True)
def test_loses_its_gateway(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                here = (process / "cwd").readlink() == Path.cwd()
                if here and b"pytest_dgbudget.gateway" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        session.say("are you there?")


def test_after(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        pass
