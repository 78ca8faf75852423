import ctypes
import os
import signal
from pathlib import Path

import pytest

from pytest_dgbudget import VoiceAgent


def holds_the_gil() -> None:
    ctypes.PyDLL(None).sleep(3)  # which does not let go of it


def is_stopped() -> None:
    Path("pid").write_text(str(os.getpid()), encoding="ascii")
    os.kill(os.getpid(), signal.SIGSTOP)


def sits_in_a_debugger() -> None:
    breakpoint()  # it sleeps, see PYTHONBREAKPOINT


ADVERSARIES = {each.__name__: each for each in (holds_the_gil, is_stopped, sits_in_a_debugger)}


@pytest.mark.dg_budget("2s")
def test_overruns(voice_agent: VoiceAgent) -> None:
    with voice_agent.connect():
        ADVERSARIES[os.environ["ADVERSARY"]]()
