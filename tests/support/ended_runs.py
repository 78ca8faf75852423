"""A ledger whose runs have ended, as gateways leave it, and the statement's rows for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import gethostname
from typing import Any

from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.usage_file import write_usage
from tests.support.comparison import at
from tests.support.ledger import leased, open_ledger, rows_of, usage
from tests.support.statement import Entry

PENDING = {"verdict": "pending", "checked_at": None, "project": None, "lag": None}


class EndedRuns:
    """The ledger of the project in this folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / ".dgbudget/ledger.db"

    def add(
        self,
        run: str,
        *documents: dict[str, Any],
        target: str = "live",
        ago: float = 0,
        ends: bool = True,
        host: str = gethostname(),
    ) -> None:
        """Have a run that opened one session of a second, which ended so many seconds ago, and then compared it.

        With ``ends`` False its gateway, on ``host``, was killed before that end.
        """
        fields: dict[str, Any] = {"target": target, "billed": target == "live", "tag": f"dgbudget-{run}"}
        ledger = open_ledger(self._path, id=f"of-{run}", run=run, host=host, **fields)
        lease = leased(ledger, ledger.begin_attempt("test_it.py::test_it", "", 60_000))
        dial = ledger.record_dial(lease)
        ledger.record_welcome(dial, f"request-of-{run}", 5)
        if ends:
            closed_at = at(datetime.now(timezone.utc) - timedelta(seconds=ago))
            ledger.record_usage(replace(usage(dial), request_id=f"request-of-{run}", closed_at=closed_at))
            ledger.settle(lease, 1000)
            ledger.end_invocation(0)
        for document in documents:
            ledger.record_reconciliation(document)
        ledger.close()

    def has_reported(self, run: str, *notices: str) -> None:
        """Have the report folder have what this run reported at its end."""
        ledger = open_ledger(self._path, id=f"again-{run}", run=run, target="live")
        write_usage(usage_document(ledger.facts(), notices), self.folder / ".dgbudget/report")
        ledger.close()

    def verdicts(self, run: str) -> list[str]:
        """Return all verdicts of a run, the first one first."""
        statement = f"SELECT verdict FROM reconciliation WHERE run = '{run}' ORDER BY seq"
        return [verdict for (verdict,) in rows_of(self.folder, statement)]


def bills(*runs: str, seconds: float = 1) -> list[Entry]:
    """Return the rows of their sessions."""
    return [Entry(f"request-of-{run}", seconds, (f"dgbudget-{run}",)) for run in runs]


def tables(project: Path) -> dict[str, list[Any]]:
    """Return all rows of each table, in the order in which they came."""
    with closing(sqlite3.connect(project / ".dgbudget/ledger.db")) as ledger:
        names = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: ledger.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall() for name in names}
