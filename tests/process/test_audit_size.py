"""``dgbudget audit`` of a hundred thousand sessions: every one of them, in little time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import peak_memory
from benchmarks.audit import WEEK, Audited

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# The aim is three seconds after the download.
TEN_TIMES_THE_AIM = 30
MIB = 300


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is in other units elsewhere")
def test_a_hundred_thousand_sessions_take_seconds_after_the_download_and_little_memory() -> None:
    audited = Audited(WEEK)
    with audited.is_there():
        figures, document = audited.audited()
    print(figures)
    assert document["verdict"] == "reconciled"
    assert document["classes"]["matched"]["lines"] == 100_000
    assert document["classes"]["matched"]["delta_seconds"] == 0
    assert document["drift"]["n"] == 100_000
    assert isinstance(after := figures["after the last page"], float)
    assert after < TEN_TIMES_THE_AIM
    assert isinstance(resident := figures["resident"], float)
    assert resident < MIB


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is in other units elsewhere")
def test_the_memory_of_a_command_is_its_own_however_large_its_caller_is(tmp_path: Path) -> None:
    ballast = b"x" * (MIB << 20)
    peak = tmp_path / "peak"
    subprocess.run([sys.executable, peak_memory.__file__, str(peak), sys.executable, "-c", ""], check=True)
    assert len(ballast) > 5 * int(peak.read_text(encoding="utf-8")) * 1024
