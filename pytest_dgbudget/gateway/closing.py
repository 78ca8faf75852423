"""The end of the run: close everything, report, compare with the vendor's statement, report again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.close_everything import close_everything
from pytest_dgbudget.gateway.events import DiscrepancyFound, Events
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.other_gateways import open_elsewhere
from pytest_dgbudget.gateway.remarks import Remarks
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.statement import ask_for_statement
from pytest_dgbudget.gateway.targets.target import Target, TargetLost
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.run_lock import is_live
from pytest_dgbudget.model import ClosedBy
from pytest_dgbudget.reconcile.billed import billed_leases
from pytest_dgbudget.reconcile.task import ReconciliationTask, not_asked, stated_leases, task_of
from pytest_dgbudget.report.artifact_folders import remove_artifacts
from pytest_dgbudget.report.charged import open_beside_ms
from pytest_dgbudget.report.document import FinishedRun
from pytest_dgbudget.report.reconciliation_figures import reconciliation_figures
from pytest_dgbudget.report.regression_figures import NO_PAST, Past
from pytest_dgbudget.report.run_warnings import old_cassettes_of
from pytest_dgbudget.report.step_summary import with_summary
from pytest_dgbudget.report.writing import write_report
from pytest_dgbudget.rules.budget import Scope
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.soft_warnings import UsedBudget
from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.rules.verdicts import DISAGREEING, NOTHING_BILLED, NOTHING_TO_COMPARE
from pytest_dgbudget.units import format_time

if TYPE_CHECKING:  # loaded where something is recorded
    from pytest_dgbudget.gateway.recording import Recordings

_NEVER_FINISHED = "pytest ended without finishing the run, so the statement was not waited for"
_STOPPED = "the run was stopped, so the statement was not waited for"
_NO_TIME = "the reconcile timeout is 0, so the statement was not asked for"
_NO_API = (
    "the agent URL is not Deepgram's own, so its statement is elsewhere: name its management API with --dg-api-url, "
    "or set --dg-reconcile=off"
)
_OTHER_EMULATOR = "{} sessions were on an emulator that is gone, so they can't be compared"
_NO_KEY = "no session was opened, because there was no key for this run (--dg-run-key=require)"
_NO_CREDIT = "no session was opened, because the project's balance was not known to be enough (dg_credit = require)"
_LEFT_OPEN = (
    "workers on other machines had sessions open when the run ended, and their gateways have not settled them yet: {} "
    "is charged in full, and may prove to be less (dgbudget reconcile)"
)
_OPEN_BESIDE = (
    "others with this run id have sessions open: the {} set aside for them counts as used here, and can't be compared "
    "yet; whoever ends last reports what they used, and so does dgbudget reconcile {} after that"
)
_UNDER_WAY = "the statement is being read"
_NO_PAST = "this run is not compared with earlier ones, which could not be read: {}"
_PAST_SECONDS = 5

P = ParamSpec("P")


class Closing:
    """Ends one run, once. What it has found out by then is always in the report, whatever still goes on."""

    def __init__(
        self,
        run_config: RunConfig,
        invocation: str,
        ledger: Ledger,
        ledger_thread: LedgerThread,
        notices: list[str],
        target: Callable[[], Awaitable[Target]],
        events: Events,
        recordings: Recordings | None = None,
    ) -> None:
        self._run_config = run_config
        self._invocation = invocation
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._notices = notices
        self._target = target
        self._events = events
        self._remarks = Remarks(events)
        self._recordings = recordings
        self._given_up = asyncio.Event()
        self._reconciling: asyncio.Task[FinishedRun] | None = None
        self._unrecorded = False
        self._shared: list[UsedBudget] = []
        self._past = NO_PAST

    async def close(self, run: Run, exit_status: int | None, closed_by: ClosedBy, *, wait: bool) -> FinishedRun:
        """Close and report; with ``wait``, go on and compare with the statement."""
        self._notices += await close_everything(run, closed_by, self._ledger_thread, self._recordings)
        await self._await_other_gateways()
        if closed_by != "gateway-lost":  # else a successor goes on with the invocation
            await self._note(self._ledger.end_invocation, exit_status)
        facts = await self._ledger_thread.call(self._ledger.facts)
        if open_ms := open_beside_ms(facts, self._invocation):
            self._notices.append(_OPEN_BESIDE.format(format_time(open_ms), facts.id))
        self._notices += self._remarks.unused_cassettes(facts.attempts)
        if (max_age_ms := self._run_config.cassette_max_age_ms) is not None:
            self._notices += filter(None, [old_cassettes_of(facts, max_age_ms, utc_now())])
        self._shared = [*map(_used, await self._ledger_thread.call(self._ledger.shared_scopes))]
        if closed_by != "gateway-lost":
            facts = self._with_end(facts, exit_status)
            self._past = await self._past_of(facts)
        # An emulator knows what it served itself, and ours lives no longer than we do.
        task = task_of(self._run_config, facts, None if self._run_config.is_live else frozenset(run.dialled))
        known = self._known_without_asking(run, task, exit_status, wait=wait)
        if known is not None:
            facts = await self._kept(task, known)
            finished = await self._report(facts, reconciling=False)
            # Whoever ends us may not wait for the vendor, so the report is there first.
            if run.run_keys.are_used:
                finished = await self._report_without_keys(run, facts)
            # A successor goes on with the invocation, and will sum it up.
            return finished if closed_by == "gateway-lost" else await self._summed_up(finished)
        so_far = reconciliation_figures(not_asked(task, "pending", _UNDER_WAY), facts)
        first = asyncio.ensure_future(self._report(facts._replace(reconciliation=so_far), reconciling=True))
        self._reconciling = asyncio.ensure_future(self._reconcile(run, task, first))
        return await first

    async def _await_other_gateways(self) -> None:
        """Give the gateways of workers elsewhere the time that they need to end what they had open."""
        if isinstance(self._run_config.ledger, Path):
            return
        with suppress(LedgerError):
            open_ms = await open_elsewhere(self._ledger, self._ledger_thread)
            if open_ms:
                self._notices.append(_LEFT_OPEN.format(format_time(open_ms)))

    async def reconciled(self, within: float) -> FinishedRun | None:
        """Return the final report; None when it is not there within ``within`` seconds."""
        assert self._reconciling is not None
        await asyncio.wait([self._reconciling], timeout=within)
        return self._reconciling.result() if self._reconciling.done() else None

    async def give_up(self) -> None:
        """Wait for the statement no longer; return when the last report is written."""
        self._given_up.set()
        if self._reconciling is not None:
            await asyncio.wait([self._reconciling])

    async def _past_of(self, facts: RunFacts) -> Past:
        """Return how the run compares with earlier ones. The report waits for that, but not for long."""
        if not facts.sessions or self._run_config.target == "replay":  # what is replayed says nothing of the service
            return NO_PAST
        from pytest_dgbudget.report.past import past_of, uncompared_past_of

        past = uncompared_past_of if self._run_config.regression == "off" else past_of
        try:
            before = await asyncio.wait_for(self._ledger_thread.call(self._ledger.runs_before), _PAST_SECONDS)
        except (LedgerError, asyncio.TimeoutError) as error:
            self._notices.append(_NO_PAST.format(str(error) or f"that took more than {_PAST_SECONDS} s"))
            return NO_PAST
        return await asyncio.to_thread(past, before)

    def _with_end(self, facts: RunFacts, exit_status: int | None) -> RunFacts:
        """Return the facts with this invocation's end in them, also where it could not be recorded."""
        invocations = (
            each._replace(finished_at=utc_now(), exit_status=exit_status, is_under_way=False)
            if each.id == self._invocation and each.finished_at is None
            else each
            for each in facts.invocations
        )
        return facts._replace(invocations=tuple(invocations))

    def _known_without_asking(
        self, run: Run, task: ReconciliationTask, exit_status: int | None, *, wait: bool
    ) -> Reconciliation | None:
        if self._run_config.reconcile == "off":
            return Reconciliation(verdict="off", tolerance=task.terms.tolerance)
        if not task.sessions():
            if run.credit.kept_all_out:
                return not_asked(task, "inconclusive", _NO_CREDIT)
            if run.run_keys.kept_all_out:
                return not_asked(task, "inconclusive", _NO_KEY)
            if task.left_out():
                return not_asked(task, "inconclusive")
            was_replayed = any(session.is_replay for session in task.facts.sessions)
            return not_asked(task, "reconciled", NOTHING_BILLED if was_replayed else NOTHING_TO_COMPARE)
        if exit_status is None or not wait:
            return not_asked(task, "pending", _NEVER_FINISHED if exit_status is None else _STOPPED)
        if self._run_config.is_live and self._run_config.api_url is None:
            return not_asked(task, "inconclusive", _NO_API)
        if not self._run_config.reconcile_timeout_ms:
            return not_asked(task, "pending", _NO_TIME)
        return None

    async def _reconcile(self, run: Run, task: ReconciliationTask, first: asyncio.Future[FinishedRun]) -> FinishedRun:
        result = await self._asked(task)
        await asyncio.wait([first])  # else that report could be written over the last one
        facts = await self._kept(task, result)
        # Not before: what is stated under a key that is gone is documented nowhere.
        return await self._summed_up(await self._report_without_keys(run, facts))

    async def _report_without_keys(self, run: Run, facts: RunFacts) -> FinishedRun:
        """Delete the run's keys, and report that."""
        await run.run_keys.delete()
        with suppress(LedgerError):
            facts = facts._replace(run_keys=(await self._ledger_thread.call(self._ledger.facts)).run_keys)
        return await self._report(facts, reconciling=False)

    async def _asked(self, task: ReconciliationTask) -> Reconciliation:
        try:
            access = (await self._target()).access
        except TargetLost as lost:
            return not_asked(task, "inconclusive", str(lost))
        assert access is not None
        timeout = self._run_config.reconcile_timeout_ms / 1000
        return await ask_for_statement(task, access, timeout, self._given_up, await self._earlier_lags())

    async def _earlier_lags(self) -> Mapping[str, Sequence[StatementLag]]:
        """Without them, the wait is as long as it may be."""
        try:
            return await self._ledger_thread.call(self._ledger.earlier_lags)
        except LedgerError:
            return {}

    async def _kept(self, task: ReconciliationTask, result: Reconciliation) -> RunFacts:
        """Keep the result in the ledger, with what it says of leases that nobody here saw end; return the facts."""
        if left_out := task.left_out():
            result = replace(result, reasons=(*result.reasons, _OTHER_EMULATOR.format(left_out)))
        stated_ms, figures = stated_leases(task.facts, result.stated_ms), reconciliation_figures(result, task.facts)
        billed = billed_leases(task.facts, result.lines)
        await self._note(self._ledger.record_reconciliation, figures, stated_ms, billed)
        self._emit_discrepancies(result)
        return task.facts.with_statement(figures, stated_ms)

    def _emit_discrepancies(self, result: Reconciliation) -> None:
        for line in result.lines:
            if line.kind in DISAGREEING:
                found = DiscrepancyFound(
                    kind=line.kind, request_id=line.request_id, own_ms=line.own_ms, vendor_ms=line.vendor_ms
                )
                self._events.emit(found)

    async def _note(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Record something, unless what came before it could not be: the owner doesn't wait twice."""
        if self._unrecorded:
            return
        try:
            await self._ledger_thread.call(call, *args, **kwargs)
        except LedgerError as error:
            self._unrecorded = True
            self._notices.append(str(error))

    async def _report(self, facts: RunFacts, *, reconciling: bool) -> FinishedRun:
        """Write the report; on a thread, for a long one would keep the heartbeats from the owners."""
        return await asyncio.to_thread(self._write, facts, reconciling=reconciling)

    async def _summed_up(self, finished: FinishedRun) -> FinishedRun:
        """Append the last report to the summary of a CI service's step, where there is one."""
        return await asyncio.to_thread(with_summary, finished, self._run_config.step_summary)

    def _write(self, facts: RunFacts, *, reconciling: bool) -> FinishedRun:
        notices = [*self._notices, *self._remarks.sentences()]
        remove_artifacts(self._run_config.report_dir, self._keeps_artifacts)
        folder, invocation = self._run_config.report_dir, self._invocation
        return write_report(facts, folder, invocation, notices, self._shared, reconciling=reconciling, past=self._past)

    def _keeps_artifacts(self, run: str) -> bool:
        """Return whether a run is this one, or under way beside it: of others, this one takes the report's place."""
        return run == self._run_config.run_id or is_live(self._run_config.state_dir, run)


def _used(scope: Scope) -> UsedBudget:
    return UsedBudget(scope.name, scope.currency, scope.settled, scope.allowed, scope.label, scope.was_cut)
