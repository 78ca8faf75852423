"""``dgbudget audit`` of a hundred thousand sessions: every one of them, in little time and memory."""

from __future__ import annotations

import sys

import pytest

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
