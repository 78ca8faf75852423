import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Nothing here ends by itself: where nobody is left who would end it, the system does, whatever holds the interpreter.
signal.alarm(120)


@pytest.fixture
def note() -> Callable[[str], None]:
    """Says in a file of this name that something happens now: at which millisecond of the monotonic clock."""

    def note(name: str) -> None:
        _write(name, str(int(time.monotonic() * 1000)))

    return note


@pytest.fixture
def note_process() -> Callable[[str], None]:
    """Says in a file that is named after this process which session it has opened."""

    def note_process(session: str) -> None:
        _write(f"pid-{os.getpid()}", session)

    return note_process


def _write(name: str, text: str) -> None:
    """At once, so that nobody reads a part of it."""
    unfinished = Path(f".{name}")
    unfinished.write_text(text, encoding="ascii")
    unfinished.replace(name)
