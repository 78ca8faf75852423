"""The reports of runs in the ledger, made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_dgbudget.cli.ledger import holders_in, open_ledger
from pytest_dgbudget.cli.summary import say
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.runs_before import runs_before
from pytest_dgbudget.report.archived_document import ArchivedDocument, archived_document
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.past import past_of, uncompared_past_of
from pytest_dgbudget.report.regression_figures import NO_PAST, Past
from pytest_dgbudget.report.writing import later_document

_MOST_NAMED = 3


class ReportedRuns:
    """Its methods raise LedgerError."""

    def __init__(self, connection: Connection, run_config: RunConfig) -> None:
        self._db = connection
        self._reader = LedgerReader(connection)
        self._holders = holders_in(connection, run_config)
        self._folder = run_config.report_dir
        self._past_of = uncompared_past_of if run_config.regression == "off" else past_of

    @classmethod
    @contextmanager
    def opened(cls, run_config: RunConfig) -> Iterator[ReportedRuns]:
        """Open the project's ledger."""
        with open_ledger(run_config) as connection:
            yield cls(connection, run_config)

    def find(self, named: str | None) -> str:
        """Return the id that is, or alone begins with, what is named; the last run's where nothing is.

        Raises SettingsError, which names runs that could be meant.
        """
        known = self._reader.run_ids()
        beginning = known[:1] if named is None else [run for run in known if run.startswith(named or "-")]
        if named in known or len(beginning) == 1:
            return named if named in known else beginning[0]
        if beginning:
            raise SettingsError(f"{len(beginning):,} runs begin with {named!r}: {_listed(beginning)}; name one of them")
        if named is None:
            raise SettingsError("the ledger has no run yet")
        last = f"the last ones: {_listed(known)}; dgbudget report --since 30d lists more"
        raise SettingsError(f"the ledger has no run {named!r}; {last}")

    def archived(self, run: str) -> ArchivedDocument | None:
        """Return what the ledger still has of a run whose details are in an archive; None for others."""
        if self._reader.archive_of(run) is None:
            return None
        return archived_document(self._reader.facts(run))

    def require(self, run: str) -> UsageDocument:
        """Return a run's document as it is now; raises SettingsError where its details are in an archive."""
        archived = self._reader.archive_of(run)
        if archived is not None:
            raise SettingsError(f"run {run} was archived on {archived.at[:10]}: its details are in {archived.file}")
        facts = self._reader.facts(run)
        if self._holders.live([run]):
            say([f"run {run} is not over: this is what there is of it so far"])
            facts = facts.under_way()
        return later_document(facts, self._folder, self._past(facts))

    def _past(self, facts: RunFacts) -> Past:
        """As at the end of a run: without a session there is nothing to compare."""
        return self._past_of(runs_before(self._db, facts.id)) if facts.sessions else NO_PAST


def _listed(runs: list[str]) -> str:
    more = len(runs) - _MOST_NAMED
    return ", ".join(runs[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
