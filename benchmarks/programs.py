"""Programs of ours in processes of their own: start and end one, and read what it uses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One that runs."""

    pid: int
    output: IO[str]

    def line(self) -> str:
        """Wait for the next line that it prints."""
        line = self.output.readline()
        if not line:
            raise RuntimeError("a program of the benchmark ended before it had said what was awaited")
        return line.strip()


@contextmanager
def program(module: str, *arguments: str) -> Iterator[Program]:
    """Run one of our modules until the block ends; it ends by itself when its stdin does."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Program(pid=process.pid, output=process.stdout)
    finally:
        process.stdin.close()
        process.stdout.close()
        ended(process)


def ended(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_seconds(pid: int) -> float | None:
    """What all threads of a process have used; None where the system doesn't say it precisely."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    nanoseconds = [int(task.read_text().split()[0]) for task in tasks]
    return sum(nanoseconds) / 1e9 if nanoseconds else None


def resident_mib(pid: int) -> float | None:
    """Resident memory; None where the system doesn't say it in a file."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
