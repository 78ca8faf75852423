"""``voice_agent.emulator.journal()``: an application's behaviour can be asserted, each test's its own."""

from __future__ import annotations

import pytest

from tests.support.project import ALONE_AND_UNDER_XDIST, Project


@pytest.mark.parametrize("workers", ALONE_AND_UNDER_XDIST)
def test_each_test_fetches_what_its_own_sessions_did(project: Project, workers: str) -> None:
    project.use("journal/test_journal.py")
    ended = project.run(workers)
    assert ended.status == 0, ended.output
