"""I3: no budget is oversold, whoever leases at the same moment."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .helpers import open_ledger
from .spender import RUN_BUDGET_MS

PROCESSES = 8
ROOT = Path(__file__).parents[2]


def start(path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.spender", str(path), name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "ready\n"


def together(spenders: list[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    """Let all of them go at once, and return what each said."""
    with ThreadPoolExecutor(len(spenders)) as threads:
        return list(threads.map(lambda spender: spender.communicate("go\n", timeout=50), spenders))


@pytest.mark.timeout(60)
def test_i3_eight_processes_never_oversell_a_run(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path, budget_ms=RUN_BUDGET_MS).close()
    spenders = [start(path, f"spender-{number}") for number in range(PROCESSES)]
    try:
        all_ready = [ready(spender) for spender in spenders]
        ended = together(spenders)
    finally:
        for spender in spenders:
            if spender.poll() is None:
                spender.kill()
                spender.communicate()
    assert [errors for _, errors in ended] == [""] * PROCESSES
    assert all(all_ready)
    leased_ms = [[int(line) for line in output.split()] for output, _ in ended]
    assert RUN_BUDGET_MS - 1000 < sum(map(sum, leased_ms)) <= RUN_BUDGET_MS
    assert sum(map(bool, leased_ms)) > 1
