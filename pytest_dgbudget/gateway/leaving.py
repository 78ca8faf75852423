"""The end of a worker's own gateway on another machine: it settles, and leaves report and statement to the run's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dgbudget.gateway.close_everything import close_everything
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.remarks import Remarks
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.report.document import FinishedRun, without_document

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings


class Leaving:
    """Ends one gateway's part in an invocation, once. Its run goes on; the worker hands on what there is to say."""

    def __init__(
        self, ledger_thread: LedgerThread, notices: list[str], events: Events, recordings: Recordings | None
    ) -> None:
        self._ledger_thread = ledger_thread
        self._notices = notices
        self._remarks = Remarks(events)
        self._recordings = recordings

    async def close(self, run: Run, exit_status: int | None, closed_by: ClosedBy, *, wait: bool) -> FinishedRun:
        """Close and settle everything."""
        self._notices += await close_everything(run, closed_by, self._ledger_thread, self._recordings)
        return {**without_document(""), "notices": [*self._notices, *self._remarks.sentences()]}

    async def reconciled(self, within: float) -> FinishedRun | None:
        """Nothing is compared here."""
        return None

    async def give_up(self) -> None:
        """Nothing is waited for."""
