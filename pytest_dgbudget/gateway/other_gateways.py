"""What gateways of the same invocation on other machines have open: each ends that by itself when its worker ends."""

from __future__ import annotations

import asyncio

from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger.ledger import Ledger

# One whose worker is gone closes everything within a second, and then settles it.
_SETTLED_SECONDS = 5.0
_LOOK_SECONDS = 0.1


async def open_elsewhere(ledger: Ledger, ledger_thread: LedgerThread, attempt: str | None = None) -> int:
    """Return the milliseconds that are still set aside, for one attempt or in all, once that is 0 or won't be soon.

    Those of this gateway are over by then. Raises LedgerError.
    """
    deadline = asyncio.get_running_loop().time() + _SETTLED_SECONDS
    while True:
        by_attempt = await ledger_thread.call(ledger.open_ms)
        open_ms = sum(by_attempt.values()) if attempt is None else by_attempt.get(attempt, 0)
        if not open_ms or asyncio.get_running_loop().time() > deadline:
            return open_ms
        await asyncio.sleep(_LOOK_SECONDS)
