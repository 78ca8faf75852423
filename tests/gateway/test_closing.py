"""The end of a run: which report is the last one."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from pytest_dgbudget.gateway.closing import Closing
from pytest_dgbudget.reconcile.task import ReconciliationTask
from pytest_dgbudget.report.document import FinishedRun, without_document


@pytest.mark.asyncio
async def test_the_last_report_waits_for_the_first_however_soon_the_statement_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []

    async def at_once(*_: object) -> None:
        pass

    async def write(*_: object) -> None:
        written.append("last")

    monkeypatch.setattr(Closing, "_asked", at_once)
    monkeypatch.setattr(Closing, "_finished", write)
    first: asyncio.Future[FinishedRun] = asyncio.get_running_loop().create_future()
    reconciling = asyncio.ensure_future(object.__new__(Closing)._reconcile(cast(ReconciliationTask, None), first))
    for _ in range(10):
        await asyncio.sleep(0)
    assert written == []
    first.set_result(without_document("made first"))
    await reconciling
    assert written == ["last"]
