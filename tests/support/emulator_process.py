"""An emulator in a process of its own, started as the gateway starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

COMMAND = "import sys; sys.path.pop(0); from pytest_dgbudget.emulator import main; main({!r})"
PATIENCE = 30
AGENT_ID = "7b1c2f5e-0000-4000-8000-000000000001"


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", COMMAND.format(list(arguments))]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as child:
        try:
            yield child
        finally:
            child.kill()


def first_line(child: subprocess.Popen[str]) -> dict[str, str]:
    assert child.stdout is not None
    answer: dict[str, str] = json.loads(child.stdout.readline())
    return answer


def finish(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = child.communicate(timeout=PATIENCE)
    return child.returncode, stdout, stderr
