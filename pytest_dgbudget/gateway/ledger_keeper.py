"""A gateway shows others that it lives by its connection to the ledger's server: a lost one is soon made anew."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.ledger.ledger import Ledger

_SECONDS = 1.0


async def keep_connected(ledger: Ledger, ledger_thread: LedgerThread) -> None:
    """Connect again whenever the connection is lost; until it is cancelled."""
    while True:
        await asyncio.sleep(_SECONDS)
        with suppress(LedgerError):  # it is tried again
            await ledger_thread.call(ledger.connect)
