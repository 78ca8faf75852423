"""``voice_agent.emulator.journal()``: an application's behaviour can be asserted, each test's its own."""

from __future__ import annotations

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project
from tests.support.vendor import Vendor


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_each_test_fetches_what_its_own_sessions_did(project: Project, workers: str) -> None:
    project.use("journal/test_journal.py")
    ended = project.run(workers)
    assert ended.status == 0, ended.output


def test_a_live_target_has_no_journal(project: Project) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    voice_agent.emulator.journal()\n")
    with Vendor() as vendor:
        ended = project.run("--dg-target=live", "--dg-budget=10s", env=vendor.environ)
    assert "this run's target is live, where nothing is emulated" in ended.output
