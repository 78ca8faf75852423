"""A period's audit: all sessions of a ledger against the statement.

Every session, and every request of the statement, is in exactly one line, or counted as left out or as somebody else's.
Pure: instants are milliseconds since 1970 (UTC), money is millionths of a US dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_dgbudget.rules.audit_facts import (
    Amount,
    AuditedLedger,
    AuditedPeriod,
    AuditFindings,
    EstimateError,
    LeftOut,
    PeriodStatement,
    UnseenUse,
)
from pytest_dgbudget.rules.comparison import Line, Ours, Terms, VendorRow
from pytest_dgbudget.rules.drift import by_key, drift_of
from pytest_dgbudget.rules.reconciliation import match, match_dials, rows_by_request, unreadable_rows
from pytest_dgbudget.rules.same_rows import counted_rows
from pytest_dgbudget.rules.sums import judge_sums
from pytest_dgbudget.rules.totals import NO_TOTAL, Counted, counted, hours_of, hours_of_own
from pytest_dgbudget.units import known_sum

_DAY_MS = 24 * 3_600_000
# The vendor ends a session after two hours, and its row may settle later.
_LONGEST_SESSION_MS = 135 * 60_000
_NO_LINES = Counted(under=(), not_under=(), may_grow=False)


def audit(
    ledger: AuditedLedger, statement: PeriodStatement, ours: Ours, period: AuditedPeriod, terms: Terms
) -> AuditFindings:
    """Compare what a ledger has of a period with the statement. ``ours``: by what a row is this ledger's.

    Where the statement was not read to its end, nothing is missing there.
    """
    rows = statement.rows
    lines = match(ledger.sessions, rows, ours, terms.unasked() if statement.failure else terms, ledger.dials)
    of_dials = match_dials(ledger.dials, rows, terms)
    paired, left_out = _sorted_out(lines, ledger, statement, period)
    if of_dials:
        left_out["never-opened"] = [_stated_ms(line) for line in of_dials]
    in_lines = {line.request_id for line in (*lines, *of_dials) if line.rows}
    rest = _Rest(rows, in_lines, ledger.archived_requests, period, left_out)
    in_use_since_ms = terms.now_ms - _LONGEST_SESSION_MS - (terms.grace_ms or 0)
    began = [line for line in (*paired, *of_dials) if (line.began_ms or 0) >= period.kept_since_ms]
    in_hours = counted(began, ours, terms)
    hours = own_hours = NO_TOTAL
    if statement.hours is not None:
        hours = hours_of(in_hours, statement.hours, terms)
        own_hours = hours_of_own(in_hours, statement.hours, terms)
    sums = judge_sums(paired, in_hours, hours, own_hours, terms)
    of_keys = sorted(by_key(sums.lines, ledger.run_of_key).items())
    return AuditFindings(
        lines=sums.lines,
        left_out={why: _amount(times_ms) for why, times_ms in sorted(left_out.items())},
        other_ledgers={tag: _amount(times_ms) for tag, times_ms in sorted(rest.by_tag.items())},
        others=_amount([row.shown_ms for row in rest.others]),
        untold=sum(ours.has(row) is None for row in rest.others if _has_all(row, in_use_since_ms)),
        lost_tags=sum(_has_lost_its_tag(line, ours) for line in sums.lines),
        overbilled=_amount([_stated_ms(line) for line in of_dials if line.kind == "unconfirmed"]),
        unreadable=unreadable_rows(rows, ours),
        untimed=_without_duration(sums.lines) - _without_duration(in_hours.under),
        hours=hours,
        drift=sums.drift,
        drift_by_key={key: drift_of(of_key, terms.drift, _NO_LINES, NO_TOTAL) for key, of_key in of_keys},
        rates=sums.rates,
        over_midnight=_amount([line.own_ms for line in sums.lines if _is_over_midnight(line)]),
        estimate=_estimate(sums.lines, ledger.micro_usd),
        unseen=tuple(_with_statement(sums.lines, ledger)),
    )


def everybodys(rows: Iterable[VendorRow], ours: Ours) -> Ours:
    """Have every row under a tag of this plugin's count as ours, for a ledger that everybody shares."""
    return replace(ours, tags=ours.tags.union(*{row.tags for row in rows if row.tags}))


# What is judged -------------------------------------------------------------------------------------------------------


def _sorted_out(
    lines: Sequence[Line], ledger: AuditedLedger, statement: PeriodStatement, period: AuditedPeriod
) -> tuple[tuple[Line, ...], dict[LeftOut, list[int | None]]]:
    """Return the lines that are judged, and the milliseconds of each of the others."""
    known_runs = {session.run for line in lines if line.rows for session in line.own}
    judged: list[Line] = []
    left_out: dict[LeftOut, list[int | None]] = {}
    for line in lines:
        why = _why_left_out(line, ledger, period)
        if why is None and not line.rows and ledger.target == "rehearsal" and line.own[0].run not in known_runs:
            why = _why_not_rehearsed(line.own[0].run, ledger, statement)
        if why is None and line.kind == "missing-at-vendor" and line.request_id in statement.not_asked:
            why = "not-asked"
        if why is None:
            judged.append(line)
        else:
            left_out.setdefault(why, []).append(_time_ms(line))
    return tuple(judged), left_out


def _why_left_out(line: Line, ledger: AuditedLedger, period: AuditedPeriod) -> LeftOut | None:
    began_ms = line.began_ms
    if not ledger.live.isdisjoint(_runs_of(line, ledger)):
        return "live-run"
    if not ledger.archived.isdisjoint(_runs_of(line, ledger)):
        return "archived"
    if began_ms is not None and began_ms < period.since_ms:
        return "earlier"
    if line.rows:
        return None
    is_kept = began_ms is None or began_ms >= period.kept_since_ms
    return None if is_kept else "not-kept"


def _why_not_rehearsed(run: str, ledger: AuditedLedger, statement: PeriodStatement) -> LeftOut | None:
    """Return why a run that an emulator's statement has nothing of is not judged by it; None where it is."""
    if statement.failure is not None:
        return None
    project = ledger.project_of_run.get(run)
    if project is None:
        return "unknown-emulator"
    return None if project == statement.project else "other-emulator"


def _runs_of(line: Line, ledger: AuditedLedger) -> Iterator[str]:
    if line.own:
        return (session.run for session in line.own)
    return (run for row in line.rows if (run := ledger.run_of(row)) is not None)


def _time_ms(line: Line) -> int | None:
    return line.own_ms if line.own else _stated_ms(line)


def _stated_ms(line: Line) -> int | None:
    return known_sum(row.shown_ms for row in line.rows)


def _has_lost_its_tag(line: Line, ours: Ours) -> bool:
    """Return whether a settled row shows tags, and not the one that its session carried."""
    settled = (row for row in line.rows if row.settled)
    return any(session.tagged for session in line.own) and any(ours.has(row) is False for row in settled)


def _has_all(row: VendorRow, in_use_since_ms: int) -> bool:
    """Return whether a row has what it will ever have: of a session that is open, it has no tags yet."""
    return row.settled or (row.created_ms or 0) < in_use_since_ms


def _without_duration(lines: Iterable[Line]) -> int:
    """Count our sessions whose settled row states no duration."""
    return sum(len(line.own) for line in lines if line.has_session and line.lacks_duration)


def _is_over_midnight(line: Line) -> bool:
    return any(
        session.opened_at_ms is not None
        and session.ended_at_ms is not None
        and session.opened_at_ms // _DAY_MS != session.ended_at_ms // _DAY_MS
        for session in line.own
    )


def _estimate(lines: Iterable[Line], micro_usd: Mapping[str, int]) -> EstimateError | None:
    """Only what both sides have is compared; None where there is nothing of that."""
    pairs = [
        (micro_usd[line.own[0].id], line.micro_usd)
        for line in lines
        if len(line.own) == len(line.rows) == 1 and line.own[0].id in micro_usd and line.rows[0].settled
    ]
    known = [(own, theirs) for own, theirs in pairs if theirs is not None]
    if not known:
        return None
    own, theirs = (sum(side) for side in zip(*known, strict=True))
    return EstimateError(sessions=len(known), own_micro_usd=own, vendor_micro_usd=theirs)


def _with_statement(lines: Iterable[Line], ledger: AuditedLedger) -> Iterator[UnseenUse]:
    stated_ms = {
        line.own[0].id: line.rows[0].duration_ms
        for line in lines
        if len(line.own) == len(line.rows) == 1 and line.own[0].ms is None and line.rows[0].settled
    }
    for unseen in ledger.unseen:
        if unseen.run not in ledger.live:
            known = known_sum(stated_ms.get(session) for session in unseen.sessions)
            yield replace(unseen, stated_ms=known if unseen.sessions else None)


# What is not ----------------------------------------------------------------------------------------------------------


class _Rest:
    """The requests that are in no line, each once: by the tag of another ledger, left out, or nobody's that we know."""

    def __init__(
        self,
        rows: Iterable[VendorRow],
        in_lines: set[str | None],
        archived: Mapping[str, str],
        period: AuditedPeriod,
        left_out: dict[LeftOut, list[int | None]],
    ) -> None:
        self.by_tag: dict[str, list[int | None]] = {}
        self.others: list[VendorRow] = []
        apart = rows_by_request(row for row in rows if row.request_id not in in_lines)
        for row in (counted_rows(group)[-1] for group in apart.values()):
            if row.created_ms is not None and row.created_ms < period.since_ms:
                left_out.setdefault("earlier", []).append(row.shown_ms)
            elif row.request_id in archived:
                left_out.setdefault("archived", []).append(row.shown_ms)
            elif row.tags:
                self.by_tag.setdefault(min(row.tags), []).append(row.shown_ms)
            elif row.agent is False:
                left_out.setdefault("no-agent", []).append(row.shown_ms)
            else:
                self.others.append(row)


def _amount(times_ms: Sequence[int | None]) -> Amount:
    return Amount(requests=len(times_ms), ms=known_sum(times_ms))
