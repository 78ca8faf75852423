"""A run against the vendor's statement: its lines, totals, drift and rates, the verdict, and the reasons for it.

Pure: what has been read comes in as a snapshot. Instants are milliseconds since 1970 (UTC), money is millionths of a US
dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_dgbudget.rules.comparison import NOBODYS, Line, Ours, OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.drift import Drift, drift_remarks
from pytest_dgbudget.rules.others import others_remarks
from pytest_dgbudget.rules.rates import TierRate, rate_remarks, tier_change_remarks
from pytest_dgbudget.rules.reconciliation import judge_lines, match, match_dials, unreadable_rows
from pytest_dgbudget.rules.statement import StatementSnapshot
from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.rules.sums import judge_sums
from pytest_dgbudget.rules.totals import NO_TOTAL, Counted, Total, cost_of, counted, dollars_of, hours_of, hours_of_own
from pytest_dgbudget.rules.verdicts import Tolerance, Verdict, gravest
from pytest_dgbudget.units import seconds

_OTHERS_GO_ON = (
    "others with this run id are still under way: sessions that have ended are compared one by one, and whoever ends "
    "last compares the run's hours and dollars as well"
)
_UNTIMED_AND_UNTAGGED = "neither a duration nor the run's tag in the statement"
_UNTIMED = "no duration in the statement, and the run's hours tell nothing of them while others go on"
_NOT_JUDGED = Terms(tolerance=Tolerance(ms=0, share=0), grace_ms=None, now_ms=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Every session, the hours, the dollars, drift and rates. ``reasons`` say what could not be checked, and why.

    ``remarks`` are worth knowing and change no verdict.

    ``checked_at_ms`` is None when the vendor was not asked; ``was_read``: the statement was read, so that what it lacks
    is not there; ``unread``: the parts of it that could not be read. ``lag``: how long it took, where that is known.
    ``stated_ms`` has, by our session's id, the statement's duration of each session whose end nobody here saw.
    """

    verdict: Verdict
    tolerance: Tolerance
    lines: tuple[Line, ...] = ()
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    checked_at_ms: int | None = None
    was_read: bool = False
    unread: tuple[str, ...] = ()
    lag: StatementLag | None = None
    project: str | None = None
    hours: Total = NO_TOTAL
    dollars: Total = NO_TOTAL
    drift: Drift | None = None
    rates: tuple[TierRate, ...] = ()
    stated_ms: Mapping[str, int] = field(default_factory=dict)


def judge(
    sessions: Sequence[OwnSession],
    snapshot: StatementSnapshot,
    ours: Ours,
    terms: Terms,
    dials: Sequence[OwnSession] = (),
) -> Reconciliation:
    """Compare a run's sessions with what has been read of the statement; ``dials`` are those that never opened."""
    paired = match(sessions, snapshot.rows, ours, terms if snapshot.is_looked_up else terms.unasked(), dials)
    of_dials = match_dials(dials, snapshot.rows, terms)
    unreadable = unreadable_rows(snapshot.rows, ours)
    in_totals = counted((*paired, *of_dials), ours, terms)
    hours, own_hours, dollars = _totals(in_totals, snapshot, ours, terms)
    sums = judge_sums(paired, in_totals, hours, own_hours, terms)
    of_sessions = _sessions_verdict(in_totals, sums.lines, snapshot)
    return Reconciliation(
        verdict=gravest(
            [
                of_sessions,
                "inconclusive" if unreadable else "off",
                judge_lines(of_dials),
                hours.verdict,
                dollars.verdict,
                sums.drift.verdict or "off",
            ]
        ),
        tolerance=terms.tolerance,
        lines=sums.lines,
        reasons=(
            *_reasons(in_totals, sums.lines, snapshot, hours, dollars),
            *_reasons_of_dials(of_dials),
            *unreadable_reasons(unreadable),
        ),
        remarks=(
            *_remarks_on_others(sessions, snapshot.rows, (*paired, *of_dials), ours),
            *rate_remarks(sums.rates),
            *tier_change_remarks(sums.lines, terms),
            *drift_remarks(sums.drift),
        ),
        checked_at_ms=snapshot.taken_at_ms,
        was_read=snapshot.is_read,
        unread=snapshot.unread,
        project=snapshot.project,
        hours=hours,
        dollars=dollars,
        drift=sums.drift,
        rates=sums.rates,
        stated_ms=_stated_ms(paired),
    )


def _totals(lines: Counted, snapshot: StatementSnapshot, ours: Ours, terms: Terms) -> tuple[Total, Total, Total]:
    """Return the hours, these without what nobody opened, and the dollars."""
    if ours == NOBODYS:
        return NO_TOTAL, NO_TOTAL, NO_TOTAL
    return (
        hours_of(lines, snapshot.hours, terms),
        hours_of_own(lines, snapshot.hours, terms),
        dollars_of(lines, snapshot.dollars, terms),
    )


def _remarks_on_others(
    sessions: Sequence[OwnSession], rows: Collection[VendorRow], lines: Sequence[Line], ours: Ours
) -> Iterable[str]:
    return [_OTHERS_GO_ON] if ours == NOBODYS else others_remarks(sessions, rows, lines, ours)


def not_asked(sessions: Sequence[OwnSession], tolerance: Tolerance, verdict: Verdict, *reasons: str) -> Reconciliation:
    """Return what is known of a run's sessions when the vendor is not asked, and why it isn't."""
    return Reconciliation(
        verdict=verdict, tolerance=tolerance, lines=match(sessions, (), NOBODYS, _NOT_JUDGED), reasons=reasons
    )


def may_change(sessions: Sequence[OwnSession], snapshot: StatementSnapshot, result: Reconciliation) -> bool:
    """Return whether a later snapshot can come to another result."""
    return snapshot.may_be_read_in_time or lacks_something(sessions, snapshot, result)


def lacks_something(sessions: Sequence[OwnSession], snapshot: StatementSnapshot, result: Reconciliation) -> bool:
    """Return whether the statement, as far as it was read, does not have all of the run yet."""
    is_late = "pending" in (result.hours.verdict, result.dollars.verdict)
    return is_late or (snapshot.is_looked_up and bool(unsettled_ids(sessions, snapshot.rows)))


def unsettled_ids(sessions: Sequence[OwnSession], rows: Iterable[VendorRow]) -> list[str]:
    """Return the request ids of our sessions that have no settled row."""
    settled = {row.request_id for row in rows if row.settled}
    ids = (session.request_id for session in sessions)
    return [request_id for request_id in ids if request_id is not None and request_id not in settled]


def cost_of_rows(
    sessions: Sequence[OwnSession], rows: Collection[VendorRow], ours: Ours, dials: Sequence[OwnSession] = ()
) -> int | None:
    """Return what the requests under the run's tag or key cost by their rows; None unless each row has its cost."""
    lines = (*match(sessions, rows, ours, _NOT_JUDGED, dials), *match_dials(dials, rows, _NOT_JUDGED))
    return cost_of(counted(lines, ours, _NOT_JUDGED).under)


def _stated_ms(lines: Iterable[Line]) -> dict[str, int]:
    found = ((line.stated_ms, line.own) for line in lines)
    return {session.id: ms for ms, own in found if ms is not None for session in own if session.ms is None}


# Verdict and reasons --------------------------------------------------------------------------------------------------


def _sessions_verdict(in_totals: Counted, lines: tuple[Line, ...], snapshot: StatementSnapshot) -> Verdict:
    if not snapshot.is_looked_up:
        return gravest(["inconclusive", judge_lines(line for line in lines if line.kind != "pending")])
    whole = snapshot.is_listed_whole and not _without_time(in_totals)
    return gravest([judge_lines(lines), "reconciled" if whole else "inconclusive"])


def _reasons(
    in_totals: Counted, lines: tuple[Line, ...], snapshot: StatementSnapshot, hours: Total, dollars: Total
) -> Iterator[str]:
    of_all = f"of {sum(len(line.own) for line in lines)} sessions"
    count = Counter(line.kind for line in lines)
    pending, unclear = count["pending"], count["unclear"]
    unconfirmed = sum(line.kind == "unconfirmed" and line.has_session for line in lines)
    perhaps_own = count["unconfirmed"] - unconfirmed
    if snapshot.listing.failure is not None:
        yield f"the project's requests were not all read: {snapshot.listing.failure.reason}"
    if snapshot.lookups.failure is not None:
        yield f"sessions were not all compared: {snapshot.lookups.failure.reason}"
    elif pending and snapshot.is_looked_up:
        yield f"{pending} {of_all} are not in the statement yet, or not settled"
    if snapshot.listing.value is False:
        yield "the project has too many requests to read them all: unknown ones that are the run's can't be detected"
    if unconfirmed:
        yield f"{unconfirmed} {of_all} can't be compared: {', '.join(_why_unconfirmed(lines))}"
    if perhaps_own:
        yield (
            f"{perhaps_own} of the requests under the run's tag or key began while the run dialled without learning "
            "the request id: whether they are these dials can't be told"
        )
    if unclear:
        yield (
            f"{unclear} {of_all} have no duration in the statement, and the time from their creation to their "
            "completion differs from ours beyond --dg-tolerance; what it means is not documented"
        )
    if without := _without_time(in_totals):
        lacks = _UNTIMED if hours == NO_TOTAL else _UNTIMED_AND_UNTAGGED
        yield f"{without} {of_all} have {lacks}"
    for name, total in (("hours", hours), ("dollars", dollars)):
        if total.verdict == "pending":
            yield f"the run's {name} are not all in the statement yet"
        elif total.reason is not None and snapshot.project is not None:
            yield f"the run's {name} were not compared: {total.reason}"


def unreadable_reasons(count: int) -> Iterator[str]:
    """Say how many rows under our tag or key have no id."""
    if count:
        yield f"{count} of the statement's rows under our tag or key have no request id: they can't be compared"


def _reasons_of_dials(of_dials: Iterable[Line]) -> Iterator[str]:
    beyond = [line for line in of_dials if line.kind == "unconfirmed"]
    if beyond:
        took_ms = sum(line.own_ms or 0 for line in beyond)
        stated_ms = sum(row.shown_ms or 0 for line in beyond for row in line.rows)
        yield (
            f"{len(beyond)} dials that never opened took {seconds(took_ms):.2f}s, and the statement has "
            f"{seconds(stated_ms):.2f}s of them: ask the vendor what is billed of a refused dial"
        )


def _why_unconfirmed(lines: Iterable[Line]) -> Iterator[str]:
    counts = Counter(_why_one_is(line) for line in lines if line.kind == "unconfirmed" and line.has_session)
    yield from (f"{count} {why}" for why, count in sorted(counts.items()))


def _why_one_is(line: Line) -> str:
    if line.unreadable_duration is not None:
        return "whose duration in the statement can't be read"
    if line.own_ms is not None:
        return "without a request id"
    return "whose end nobody here saw" + (" (the statement has it)" if line.stated_ms is not None else "")


def _without_time(in_totals: Counted) -> int:
    """Count the sessions whose time can't be checked: not by their row nor, without the tag, by its hours."""
    return sum(
        len(line.own)
        for line in in_totals.not_under
        if line.has_session and line.lacks_duration and line.elapsed_ms is None
    )
