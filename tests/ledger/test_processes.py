"""I3 and I6 where several processes are at the ledger in the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import Lease
from tests.support.ledger import leased, open_ledger

from .spender import RUN_BUDGET_MS
from .together import let_go, processes

SPENDERS, SWEEPERS = 8, 4


@pytest.mark.timeout(60)
def test_i3_eight_processes_never_oversell_a_run(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path, budget_ms=RUN_BUDGET_MS).close()
    with processes("spender", path, SPENDERS) as spenders:
        ended = let_go(spenders)
    assert [errors for _, errors in ended] == [""] * SPENDERS
    leased_ms = [[int(line) for line in output.split()] for output, _ in ended]
    assert RUN_BUDGET_MS - 1000 < sum(map(sum, leased_ms)) <= RUN_BUDGET_MS
    assert sum(map(bool, leased_ms)) > 1


@pytest.mark.timeout(60)
def test_i6_a_lease_that_several_processes_would_end_ends_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path, id="left", run="left", budget_ms=None)
    leases = [leased(ledger, ledger.begin_attempt(f"test_{number}", "", 5000)) for number in range(200)]
    for lease in leases:
        ledger.record_dial(lease)
    with processes("sweeper", path, SWEEPERS) as sweepers, ThreadPoolExecutor(1) as thread:
        ended = thread.submit(let_go, sweepers)
        settled = {lease.id for lease in leases if settles(ledger, lease)}
    assert ended.result() == [("", "")] * SWEEPERS
    # One row for each lease, and what it says is what the first one said.
    ends = {lease.id: (lease.how, lease.ended_ms) for lease in ledger.facts().leases}
    assert ends == {lease.id: ("settled", 1) if lease.id in settled else ("orphaned", 5000) for lease in leases}
    ledger.close()


def settles(ledger: Ledger, lease: Lease) -> bool:
    try:
        ledger.settle(lease, 1)
    except LedgerError:
        return False
    return True
