"""What every end of a gateway begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.model import ClosedBy

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings

# How long it waits for a slow disk to take the last of its recordings, and for a ledger's server to be there again.
_RECORDED_SECONDS = 1.0
_CONNECTED_SECONDS = 15.0


async def close_everything(
    run: Run, closed_by: ClosedBy, ledger_thread: LedgerThread, recordings: Recordings | None
) -> Sequence[str]:
    """Close and settle all that is open; return sentences on what its recordings lack."""
    await run.end_all(closed_by)
    await ledger_thread.caught_up(_CONNECTED_SECONDS)
    if recordings is None:
        return ()
    await recordings.close(_RECORDED_SECONDS, has_successor=closed_by == "gateway-lost")
    return recordings.sentences()
