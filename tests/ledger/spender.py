"""One of several processes that spend one run's budget: ``python -m tests.ledger.spender ADDRESS ID``.

Prints ``ready``, waits for a line, and prints the milliseconds of each lease that it got.
"""

from __future__ import annotations

import sys

from pytest_dgbudget.model import Lease
from pytest_dgbudget.rules.budget import Refused
from tests.support.ledger import address_of, open_ledger

RUN_BUDGET_MS = 300_000


def main(address: str, name: str) -> None:
    ledger = open_ledger(address_of(address), id=name, live=frozenset({"run"}), budget_ms=RUN_BUDGET_MS)
    _say("ready")
    sys.stdin.readline()
    for number in range(10_000):
        attempt = ledger.begin_attempt(f"test_{number}", name, 1100 + 37 * number % 900)
        answer = ledger.lease(attempt)
        if isinstance(answer, Refused):
            break
        if isinstance(answer, Lease):
            run = ledger.scopes(attempt)[1]
            assert run.settled + run.leased <= run.allowed
            ledger.settle(answer, answer.allowance_ms)
            _say(str(answer.allowance_ms))
    ledger.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
