"""I3 and I6 where several processes are at the ledger in the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.ledger import leased, open_ledger
from tests.support.slow import slow

from .conftest import Address
from .spender import RUN_BUDGET_MS
from .together import let_go, processes

SPENDERS, SWEEPERS = 8, 4
ON_BOTH = pytest.mark.parametrize("address", ["sqlite", slow("postgres")], indirect=True)


@ON_BOTH
@pytest.mark.timeout(60)
def test_i3_eight_processes_never_oversell_a_run(address: Address) -> None:
    open_ledger(address, budget_ms=RUN_BUDGET_MS).close()
    with processes("spender", address, SPENDERS) as spenders:
        ended = let_go(spenders)
    assert [errors for _, errors in ended] == [""] * SPENDERS
    leased_ms = [[int(line) for line in output.split()] for output, _ in ended]
    assert RUN_BUDGET_MS - 1000 < sum(map(sum, leased_ms)) <= RUN_BUDGET_MS
    assert sum(map(bool, leased_ms)) > 1


@ON_BOTH
@pytest.mark.timeout(60)
def test_i6_a_lease_that_several_processes_would_end_ends_once(address: Address) -> None:
    ledger = open_ledger(address, id="left", run="left", budget_ms=None)
    leases = [leased(ledger, ledger.begin_attempt(f"test_{number}", "", 5000)) for number in range(200)]
    for lease in leases:
        ledger.record_dial(lease)
    with processes("sweeper", address, SWEEPERS) as sweepers, ThreadPoolExecutor(1) as thread:
        ended = thread.submit(let_go, sweepers)
        for lease in leases:
            ledger.settle(lease, 1)
    assert ended.result() == [("", "")] * SWEEPERS
    # One row for each lease, and what it says is what one of them said.
    facts = ledger.facts().leases
    assert sorted(lease.id for lease in facts) == sorted(lease.id for lease in leases)
    assert {(lease.how, lease.ended_ms) for lease in facts} <= {("settled", 1), ("orphaned", 5000)}
    ledger.close()
