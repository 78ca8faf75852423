"""Processes that do the same at the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def processes(module: str, address: Path | str, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that wait for a line, each with a name of its own."""
    started = [_start(module, address, f"{module}-{each}") for each in range(number)]
    try:
        assert all(_is_ready(process) for process in started)
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def let_go(started: list[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    """Let all of them go at once, and return what each said."""
    with ThreadPoolExecutor(len(started)) as threads:
        return list(threads.map(lambda process: process.communicate("go\n", timeout=50), started))


def _start(module: str, address: Path | str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.ledger.{module}", str(address), name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _is_ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "ready\n"
