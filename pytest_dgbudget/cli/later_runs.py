"""Runs that are compared with the vendor's statement after they have ended, while no gateway serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_dgbudget.cli.ledger import holders_in, require_run
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.credentials import is_emulated_key
from pytest_dgbudget.deepgram.management import ManagementApi
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.instants import utc_ms
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.statements import StatementRecords
from pytest_dgbudget.ledger.sweep import sweep
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.reconcile.billed import billed_leases
from pytest_dgbudget.reconcile.snapshot import StatementComparison
from pytest_dgbudget.reconcile.task import ReconciliationTask, not_asked, stated_leases, task_of
from pytest_dgbudget.report.reconciliation_figures import reconciliation_figures
from pytest_dgbudget.report.writing import rewrite_report
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.statement_lag import next_pause_ms
from pytest_dgbudget.rules.verdicts import NOTHING_TO_COMPARE, Verdict

_TIMES = ("checked_at", "lag")
_IS_LIVE = "it is not over: its gateway compares it when it ends"
_EMULATED = "its emulator, which alone has a statement of it, has ended with it"
_REHEARSAL = "it was a rehearsal, and {} has no key of an emulator: set that of the one it spoke to, and its --api-url"
_NOT_REHEARSED = "it was live, and {} has a key of the emulator: set a Deepgram key"
_NOT_READ = "the statement could not be read: {}"
_NOT_THERE = "sessions whose end nobody saw are not in the statement yet"
_OTHER_PROJECT = "its project is {}, and in {} it is {}: name its own with --project"
_UNCHANGED = "as before, a part of the statement can't be read: {}"
_CHANGED = "another process has recorded a result meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterResult:
    """A run before it was compared and after it.

    ``why_left`` is why nothing was recorded, None where something was. ``report`` is the file that was written anew,
    ``report_problem`` why it was not although it is this run's; ``not_rendered`` why other files of it are missing.
    """

    before: RunFacts
    after: RunFacts
    why_left: str | None = None
    report: Path | None = None
    report_problem: str | None = None
    not_rendered: tuple[str, ...] = ()

    @property
    def was(self) -> Verdict | None:
        """The verdict before; None where none was recorded."""
        return _verdict(self.before)

    @property
    def verdict(self) -> Verdict | None:
        return _verdict(self.after)


class LaterRuns:
    """Compares runs, and adds to ledger and reports what comes of it."""

    def __init__(self, run_config: RunConfig, access: ApiAccess, connection: Connection) -> None:
        """Raises LedgerError."""
        self._run_config = run_config
        self._access = access
        self._asks_emulator = is_emulated_key(access.key)
        self._connection = connection
        self._reader = LedgerReader(connection)
        self._records = StatementRecords(connection)
        self._holders = holders_in(connection, run_config)
        with connection.transaction():  # what gateways that were killed have left open
            sweep(connection, self._holders.may_hold)

    def known(self, runs: Sequence[str]) -> list[str]:
        """Return these runs, each once; raises SettingsError for what is none."""
        return [require_run(self._reader, run) for run in dict.fromkeys(runs)]

    def pending(self, *, besides: Sequence[str]) -> tuple[list[str], list[LaterResult]]:
        """Return the other runs that are pending, and apart from them those that nobody can compare now."""
        runs, left = [], []
        for run in (each for each in self._reader.pending_runs() if each not in besides):
            facts = self._reader.facts(run)
            why_left = self._why_nobody_can(facts)
            if why_left is None:
                runs.append(run)
            else:
                left.append(LaterResult(before=facts, after=facts, why_left=why_left))
        return runs, left

    def _why_nobody_can(self, facts: RunFacts) -> str | None:
        if self._holders.live([facts.id]):
            return _IS_LIVE
        return None if facts.target in {"live", "rehearsal"} else _EMULATED

    def _why_not(self, facts: RunFacts) -> str | None:
        """Return why a run can't be compared now, and with this key; None where it can."""
        why_nobody_can = self._why_nobody_can(facts)
        if why_nobody_can is not None or (facts.target == "rehearsal") == self._asks_emulator:
            return why_nobody_can
        said = _NOT_REHEARSED if self._asks_emulator else _REHEARSAL
        return said.format(self._run_config.key_variable)

    def compare(self, runs: Sequence[str], waiting: Callable[[int], None]) -> Iterator[LaterResult]:
        """Compare runs and yield each as soon as nothing more can come of it, at the latest when the time is up.

        ``waiting`` is called once, with the number of runs that are waited for.
        """
        timeout = Timeout(self._run_config.reconcile_timeout_ms / 1000)
        asked: list[_AskedRun] = []
        for run in runs:
            facts = self._reader.facts(run)
            task = task_of(self._run_config, facts)
            if (why_not := self._why_not(facts)) is not None:
                yield LaterResult(before=facts, after=facts, why_left=why_not)
            elif task.sessions():
                asked.append(_AskedRun(task, self._access_to(facts), timeout))
            else:
                yield self._record(task, not_asked(task, "reconciled", NOTHING_TO_COMPARE))
        yield from self._read(asked)
        asked = [each for each in asked if each.may_change]
        if asked:
            waiting(len(asked))
            yield from self._wait_for(asked, timeout)

    def _access_to(self, facts: RunFacts) -> ApiAccess:
        """Ask where the run was before: the key may be of another project by now."""
        return replace(self._access, project=self._access.project or _project_of(facts))

    def _wait_for(self, asked: list[_AskedRun], timeout: Timeout) -> Iterator[LaterResult]:
        readings = 0
        while asked and timeout.pause(next_pause_ms(readings, 0, round(timeout.left() * 1000)) / 1000):
            yield from self._read(asked)
            asked = [each for each in asked if each.may_change]
            readings += 1
        yield from map(self._conclude, asked)

    def _read(self, asked: Sequence[_AskedRun]) -> Iterator[LaterResult]:
        """Read the statement of each once, and conclude those of which nothing more can come."""
        for each in asked:
            each.read()
            if not each.may_change:
                yield self._conclude(each)

    def _conclude(self, asked: _AskedRun) -> LaterResult:
        facts, why_left = asked.task.facts, asked.why_left()
        if why_left is not None:
            return LaterResult(before=facts, after=facts, why_left=why_left)
        return self._record(asked.task, asked.result)

    def _record(self, task: ReconciliationTask, result: Reconciliation) -> LaterResult:
        """Add the result to the ledger and write the report anew.

        If we are killed in between, the run is still pending, and the report is written once more.
        """
        before = task.facts
        figures, stated_ms = reconciliation_figures(result, before), stated_leases(before, result.stated_ms)
        if result.unread and not stated_ms and _same(before.reconciliation, figures):
            return LaterResult(before=before, after=before, why_left=_UNCHANGED.format("; ".join(result.reasons)))
        billed = billed_leases(before, result.lines)
        with self._connection.transaction():
            if self._records.record_unless_changed(before.id, before.reconciliation, figures, stated_ms, billed):
                return self._with_report(before, before.with_statement(figures, stated_ms))
        return LaterResult(before=before, after=self._reader.facts(before.id), why_left=_CHANGED)

    def _with_report(self, before: RunFacts, after: RunFacts) -> LaterResult:
        try:
            written = rewrite_report(after, self._run_config.report_dir)
        except OSError as error:
            return LaterResult(before=before, after=after, report_problem=str(error))
        if written is None:
            return LaterResult(before=before, after=after)
        return LaterResult(before=before, after=after, report=written.path, not_rendered=tuple(written.notices))


class _AskedRun:
    """One run that is read until nothing can change any more."""

    def __init__(self, task: ReconciliationTask, access: ApiAccess, timeout: Timeout) -> None:
        self.task = task
        self._comparison = StatementComparison(task, ManagementApi(access, task.parts(), timeout), timeout)
        self.result = not_asked(task, "pending")

    @property
    def may_change(self) -> bool:
        return self._comparison.may_change

    def read(self) -> None:
        self.result = self._comparison.read()

    def why_left(self) -> str | None:
        """Return why the result is none to be recorded: another reading can come to a better one.

        What is missing for good is a result; what can't be read, or is not there yet, is none.
        """
        if not self.result.was_read:
            return _NOT_READ.format("; ".join(_each_cause(self.result.reasons)))
        known, asked, verdict = _project_of(self.task.facts), self.result.project, self.result.verdict
        if known not in {None, asked} and verdict != "reconciled":
            return _OTHER_PROJECT.format(known, asked, verdict)
        if verdict == "inconclusive" and self.may_change and self.task.is_recent_at(utc_ms()):
            return _NOT_THERE
        return None


def _project_of(facts: RunFacts) -> str | None:
    """Return the project in whose statement the run was looked for before; None where it could not be read."""
    before = facts.reconciliation
    if before is None or {"requests", "sessions"} & {*before.get("unread", ())}:
        return None
    project: str | None = before.get("project")
    return project


def _each_cause(reasons: Iterable[str]) -> Iterator[str]:
    """Yield the first of the reasons that are the same answer to several calls."""
    seen = set()
    for reason in reasons:
        cause = reason.partition(": HTTP ")[2] or reason
        if cause not in seen:
            yield reason
        seen.add(cause)


def _same(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Return whether two results have the same to say, whenever that was found out."""
    return before is not None and {**before, **dict.fromkeys(_TIMES)} == {**after, **dict.fromkeys(_TIMES)}


def _verdict(facts: RunFacts) -> Verdict | None:
    verdict: Verdict | None = None if facts.reconciliation is None else facts.reconciliation["verdict"]
    return verdict
