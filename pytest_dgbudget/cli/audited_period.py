"""Reading both sides of a period, with progress in the terminal, and judging them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from pytest_dgbudget.cli.bars import Bars, Shown
from pytest_dgbudget.cli.ledger import holders_in, open_ledger
from pytest_dgbudget.cli.options import respelled
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.credentials import is_emulated_key
from pytest_dgbudget.deepgram.management import ManagementApi
from pytest_dgbudget.deepgram.parts import TagsPart
from pytest_dgbudget.deepgram.period import ShowProgress, look_up, read_period
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.instants import epoch_ms_of
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.reconcile.period import EDGE, read_ledger
from pytest_dgbudget.reconcile.terms import terms_of
from pytest_dgbudget.report.audit_document import AuditDocument, audit_document
from pytest_dgbudget.rules.audit import audit, everybodys
from pytest_dgbudget.rules.audit_facts import AuditedLedger, AuditedPeriod, PeriodStatement
from pytest_dgbudget.rules.audit_reading import lacking_ids, needs_hours, was_open_at
from pytest_dgbudget.rules.audit_verdict import judge_audit
from pytest_dgbudget.rules.statement import ReadFailure, Reading

# The vendor keeps requests for 90 days; whether these are days of a calendar is not documented.
_KEPT = timedelta(days=89)
# A hundred thousand requests are a hundred pages; with a slower API an audit isn't worth waiting for.
_LONGEST_SECONDS = 900
# What the list lacks is asked for by its id. Where it lacks more than this, it isn't known of the rest.
_MOST_LOOKUPS = 200
_READING = "reading the statement"
_LIST_LACKS = ReadFailure(reason="the list of requests lacks some that may be in them", temporary=False)
_PAST_FIRST_MIDNIGHT = ReadFailure(
    reason="a session ran past the midnight at which they begin; choose another --since", temporary=False
)


def audit_period(
    run_config: RunConfig, access: ApiAccess, since: datetime, shown: Shown, *, all_tags: bool
) -> AuditDocument:
    """Audit what began at ``since``, the beginning of a UTC day, or later; raises LedgerError.

    ``all_tags``: every run of the project is in this ledger, whoever started it.
    """
    now = datetime.now(timezone.utc)
    kept_since = max(since, _next_midnight(now - _KEPT))
    with open_ledger(run_config) as connection, _without_collections():
        ledger = read_ledger(connection, holders_in(connection, run_config), since, _target_of(access))
    period = AuditedPeriod(since_ms=epoch_ms_of(since), kept_since_ms=epoch_ms_of(kept_since))
    statement = _read_statement(run_config, access, ledger, period, shown)
    terms = terms_of(run_config, ledger.target, epoch_ms_of(datetime.now(timezone.utc)))
    with _without_collections():
        ours = everybodys(statement.rows, ledger.ours) if all_tags else ledger.ours
        findings = audit(ledger, statement, ours, period, terms)
        verdict = judge_audit(findings, ledger, statement, period)
        return audit_document(findings, verdict, ledger, period, terms, statement.project)


def _target_of(access: ApiAccess) -> str:
    """A stand-alone emulator's statement has rehearsals, and Deepgram's never has."""
    return "rehearsal" if is_emulated_key(access.key) else "live"


def _read_statement(
    run_config: RunConfig, access: ApiAccess, ledger: AuditedLedger, period: AuditedPeriod, shown: Shown
) -> PeriodStatement:
    timeout = Timeout(_LONGEST_SECONDS)
    api = ManagementApi(access, [TagsPart(ledger.tags_in_hours)], timeout)
    since, now = _moment(period.kept_since_ms), datetime.now(timezone.utc)
    with shown as bars:
        show = _shown_by(bars)
        try:
            api.find_project()
        except ReconciliationError as error:
            return PeriodStatement(rows=(), failure=respelled(str(error)))
        rows, failure = read_period(api, since - EDGE, now + EDGE, timeout, show)
    lacking: list[str] = []
    if failure is None:
        lacking = lacking_ids(ledger, rows, period, terms_of(run_config, ledger.target, epoch_ms_of(now)))
        found, failure = look_up(api, lacking[:_MOST_LOOKUPS])
        rows += found
    not_asked = frozenset(lacking[_MOST_LOOKUPS:])
    hours = _read_hours(api, ledger, since, now, not_asked) if needs_hours(ledger, rows) else None
    told = failure and respelled(failure)
    return PeriodStatement(rows=rows, project=api.project, failure=told, hours=hours, not_asked=not_asked)


def _read_hours(
    api: ManagementApi, ledger: AuditedLedger, since: datetime, now: datetime, not_asked: frozenset[str]
) -> Reading[int]:
    """Read the hours of whole days, and of one more: whether a period includes its last day is not documented."""
    if not_asked:
        return Reading(failure=_LIST_LACKS)
    if was_open_at(ledger, epoch_ms_of(since)):
        return Reading(failure=_PAST_FIRST_MIDNIGHT)
    try:
        hours = api.agent_time(since.date().isoformat(), (now.date() + timedelta(days=1)).isoformat())
    except ReconciliationError as error:
        return Reading(failure=ReadFailure(reason=respelled(str(error)), temporary=error.temporary))
    return Reading(value=hours, read_at_ms=epoch_ms_of(now))


@contextmanager
def _without_collections() -> Iterator[None]:
    """Look for no garbage: there is none in a million records, and the search takes as long as all the rest."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _shown_by(bars: Bars) -> ShowProgress:
    steps = bars.begin(_READING, None)
    return lambda rows, done, windows: steps(done, windows, f"{_READING}: {rows:,} requests")


def _next_midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, timezone.utc)
