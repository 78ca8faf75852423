"""A suite of ten thousand tests with a session each: nothing grows with it but the ledger and the report."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.ledger import rows_of
from tests.support.processes import gateway_of
from tests.support.project import Project

TESTS = 10_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_tests_with_a_session_each(project: Project) -> None:
    project.use("many/test_it.py")
    arguments = ["-q", "--dg-target=emulator", "--dg-budget=100h", "--dg-reconcile=off", "--no-summary"]
    started_at = time.monotonic()
    process = project.start(*arguments, env={"TESTS": str(TESTS)})
    gateway = gateway_of(process.pid)
    resident: list[float] = []
    while process.poll() is None:
        resident.append(resident_mib(gateway) or (resident[-1] if resident else 0.0))
        time.sleep(0.5)
    result = project.result(process)
    took = time.monotonic() - started_at
    print(f"{took:.0f} s, {took / TESTS * 1000:.1f} ms a test; gateway {resident[4]:.0f} to {max(resident):.0f} MiB")
    assert result.status == 0, result.output[-2000:]
    assert (result.usage["run"]["sessions"], len(result.usage["tests"])) == (TESTS, TESTS)
    assert rows_of(project.path, "SELECT COUNT(*), COUNT(DISTINCT lease) FROM lease_end") == [(TESTS, TESTS)]
    half, late = resident[len(resident) // 2], resident[len(resident) * 9 // 10]  # the report comes after both
    assert (late - half) * 1024 / (TESTS * 0.4) < 10, "KiB that each further test costs the gateway"


def resident_mib(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
