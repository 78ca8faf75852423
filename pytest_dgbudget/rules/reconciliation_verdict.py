"""A run against the vendor's statement: its hours and dollars, the verdict, and the reasons for it.

Pure: what has been read comes in as a snapshot. Instants are milliseconds since 1970 (UTC), money is millionths of a US
dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pytest_dgbudget.rules.comparison import Line, Ours, OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.reconciliation import judge_lines, match, rows_by_request
from pytest_dgbudget.rules.verdicts import Tolerance, Verdict, gravest
from pytest_dgbudget.units import known_sum

T = TypeVar("T")

NOBODYS = Ours(tags=frozenset())

_LOST_TAGS = "the statement does not show the run's tag on sessions that carried it"
_NO_PRICES = "neither prices nor the dollars of each request are known"
_NOT_SETTLED = "some of the run's requests have not settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailure:
    """Why a part of the statement could not be read; ``temporary``: reading it again may succeed."""

    reason: str
    temporary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """One part of the statement: its last value and when that was read, and why it could not be read (again)."""

    value: T | None = None
    read_at_ms: int | None = None
    failure: ReadFailure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSnapshot:
    """What has been read of a run's part of the statement by ``taken_at_ms``.

    ``rows`` are the project's requests of the run's time, from ``listing``, the list of them (False where it is too
    long to be read whole), and ``lookups``, which ask for single requests by id; a row may be there twice.
    ``hours`` (milliseconds) and ``dollars`` are those under the run's tag or key. ``project`` is None while it is
    unknown; nothing else can be read until then.
    """

    taken_at_ms: int
    project: str | None = None
    rows: Collection[VendorRow] = ()
    listing: Reading[bool] = field(default_factory=Reading)
    lookups: Reading[None] = field(default_factory=Reading)
    hours: Reading[int] = field(default_factory=Reading)
    dollars: Reading[int] = field(default_factory=Reading)

    @property
    def is_listed_whole(self) -> bool:
        """True when no row under the run's tag has escaped us."""
        return self.listing.failure is None and self.listing.value is True

    @property
    def is_looked_up(self) -> bool:
        """True when a session without a row is really not in the statement."""
        return self.lookups.failure is None and self.lookups.read_at_ms is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Everything under the run's tag in one figure: milliseconds, or millionths of a dollar.

    ``verdict`` is ``off`` where there is nothing to compare with; ``reason`` says why it was not compared.
    """

    verdict: Verdict
    own: int | None = None
    vendor: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Every session, the hours and the dollars. ``reasons`` say what could not be checked, and why.

    ``remarks`` are worth knowing and change no verdict.

    ``checked_at_ms`` is None when the vendor was not asked. ``stated_ms`` has, by our session's id, the statement's
    duration of each session whose end nobody here saw.
    """

    verdict: Verdict
    tolerance: Tolerance
    lines: tuple[Line, ...] = ()
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    checked_at_ms: int | None = None
    project: str | None = None
    hours: Total = Total(verdict="off")
    dollars: Total = Total(verdict="off")
    stated_ms: Mapping[str, int] = field(default_factory=dict)


def judge(sessions: Sequence[OwnSession], snapshot: StatementSnapshot, ours: Ours, terms: Terms) -> Reconciliation:
    """Compare a run's sessions with what has been read of the statement."""
    pairs = _paired(sessions, snapshot.rows, ours)
    lines = match(sessions, snapshot.rows, ours, terms if snapshot.is_looked_up else terms.unasked())
    hours = _hours(pairs, snapshot.hours, terms)
    dollars = _dollars(pairs, snapshot, ours, terms)
    return Reconciliation(
        verdict=gravest([_sessions_verdict(pairs, lines, snapshot), hours.verdict, dollars.verdict]),
        tolerance=terms.tolerance,
        lines=lines,
        reasons=tuple(_reasons(pairs, lines, snapshot, hours, dollars)),
        checked_at_ms=snapshot.taken_at_ms,
        project=snapshot.project,
        hours=hours,
        dollars=dollars,
        stated_ms=_stated_ms(pairs),
    )


def not_asked(sessions: Sequence[OwnSession], tolerance: Tolerance, verdict: Verdict, *reasons: str) -> Reconciliation:
    """Return what is known of a run's sessions when the vendor is not asked, and why it isn't."""
    lines = match(sessions, (), NOBODYS, Terms(tolerance=tolerance, grace_ms=None, now_ms=0))
    return Reconciliation(verdict=verdict, tolerance=tolerance, lines=lines, reasons=reasons)


def may_change(sessions: Sequence[OwnSession], snapshot: StatementSnapshot, result: Reconciliation) -> bool:
    """Return whether a later snapshot can come to another result."""
    failures = (part.failure for part in (snapshot.listing, snapshot.lookups, snapshot.hours, snapshot.dollars))
    return (
        any(failure is not None and failure.temporary for failure in failures)
        or "pending" in (result.hours.verdict, result.dollars.verdict)
        or (snapshot.is_looked_up and bool(unsettled_ids(sessions, snapshot.rows)))
    )


def unsettled_ids(sessions: Sequence[OwnSession], rows: Iterable[VendorRow]) -> list[str]:
    """Return the request ids of our sessions that have no settled row."""
    return _unsettled(_paired(sessions, rows, NOBODYS))


def cost_of_rows(sessions: Sequence[OwnSession], rows: Collection[VendorRow], ours: Ours) -> int | None:
    """Return what the requests under the run's tag or key cost by their rows; None unless each row has its cost."""
    return _cost(_paired(sessions, rows, ours), rows, ours)


# Our sessions and their rows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One of our sessions and what its rows say: ``row_ms`` is the duration of its settled row, if it has just one.

    ``counted``: it is in the hours and dollars of the run's tag or key.
    """

    session: OwnSession
    settled: bool
    row_ms: int | None
    counted: bool


def _paired(sessions: Sequence[OwnSession], rows: Iterable[VendorRow], ours: Ours) -> list[_Pair]:
    by_request = rows_by_request(rows)
    return [
        _pair(session, by_request.get(session.request_id, ()) if session.request_id is not None else (), ours)
        for session in sessions
    ]


def _pair(session: OwnSession, rows: Collection[VendorRow], ours: Ours) -> _Pair:
    settled_ms = [row.duration_ms for row in rows if row.settled]
    # The statement knows best; where it can't tell, what we saw of the session's Settings counts.
    known = {ours.has(row) for row in rows} - {None}
    return _Pair(
        session=session,
        settled=bool(settled_ms),
        row_ms=settled_ms[0] if len(settled_ms) == 1 else None,
        counted=True in known if known else session.tagged,
    )


def _unsettled(pairs: list[_Pair]) -> list[str]:
    ids = (pair.session.request_id for pair in pairs if not pair.settled)
    return [request_id for request_id in ids if request_id is not None]


def _cost(pairs: list[_Pair], rows: Iterable[VendorRow], ours: Ours) -> int | None:
    counted = {pair.session.request_id: pair.counted for pair in pairs}
    costs = [row.micro_usd for row in set(rows) if row.settled and counted.get(row.request_id, ours.has(row))]
    return known_sum(costs) if costs else None


def _stated_ms(pairs: list[_Pair]) -> dict[str, int]:
    lost = (pair for pair in pairs if pair.session.ms is None)
    return {pair.session.id: pair.row_ms for pair in lost if pair.row_ms is not None}


def _without_time(pairs: list[_Pair]) -> int:
    """Count the sessions whose time can't be checked: not by their row nor, without the tag, by its hours."""
    return sum(pair.settled and pair.row_ms is None and not pair.counted for pair in pairs)


# Totals ---------------------------------------------------------------------------------------------------------------


def _hours(pairs: list[_Pair], reading: Reading[int], terms: Terms) -> Total:
    """Sessions were compared one by one already: where a row has a duration, the hours are compared with that."""
    tagged = [pair for pair in pairs if pair.counted]
    rows_ms = {pair.session.request_id: pair.row_ms for pair in tagged}
    without_row = [pair.session.ms or 0 for pair in tagged if rows_ms[pair.session.request_id] is None]
    expected_ms = sum(ms for ms in rows_ms.values() if ms is not None) + sum(without_row)
    allowed_ms = sum(terms.tolerance.allowed_ms(ms) for ms in without_row)
    allowed_ms = max(allowed_ms, terms.tolerance.allowed_ms(expected_ms))
    all_known = all(pair.session.ms is not None for pair in tagged)
    total = _total(pairs, reading, terms, expected_ms, allowed_ms, all_known=all_known)
    return replace(total, own=sum(pair.session.ms or 0 for pair in tagged))


def _dollars(pairs: list[_Pair], snapshot: StatementSnapshot, ours: Ours, terms: Terms) -> Total:
    """No prices are known here: what the run's rows cost is compared with what the run's tag cost."""
    cost = _cost(pairs, snapshot.rows, ours)
    if cost is None:
        return Total(verdict="off", reason=None if _unsettled(pairs) else _NO_PRICES)
    tagged = [pair for pair in pairs if pair.counted]
    own_ms = sum(pair.session.ms or 0 for pair in tagged)
    allowed = cost * terms.tolerance.allowed_ms(own_ms) // own_ms if own_ms else 0
    total = _total(pairs, snapshot.dollars, terms, cost, allowed, all_known=all(pair.settled for pair in tagged))
    if total.verdict == "inconclusive" and total.reason is None:
        return replace(total, reason=_NOT_SETTLED)
    return total


def _total(
    pairs: list[_Pair], reading: Reading[int], terms: Terms, own: int, allowed: int, *, all_known: bool
) -> Total:
    if reading.value is None:
        reason = reading.failure.reason if reading.failure is not None else "it was not read"
        return Total(verdict="inconclusive", own=own, reason=reason)
    if any(pair.session.tagged and not pair.counted for pair in pairs):
        return Total(verdict="inconclusive", own=own, vendor=reading.value, reason=_LOST_TAGS)
    may_grow = any(terms.is_recent(pair.session) for pair in pairs)
    verdict = judge_total(own, reading.value, allowed, all_known=all_known, may_grow=may_grow)
    return Total(verdict=verdict, own=own, vendor=reading.value)


def judge_total(own: int, vendor: int, allowed: int, *, all_known: bool, may_grow: bool) -> Verdict:
    """Compare two sums of one unit, which may lie ``allowed`` apart.

    ``all_known``: ``own`` is the whole of it and not just what was seen. ``may_grow``: the vendor's may be late.
    A vendor's sum of nothing is late, however small ours is.
    """
    if vendor < own - allowed or vendor == 0 < own:
        return "pending" if may_grow else "discrepancy"
    if not all_known:
        return "inconclusive"
    return "reconciled" if vendor <= own + allowed else "discrepancy"


# Verdict and reasons --------------------------------------------------------------------------------------------------


def _sessions_verdict(pairs: list[_Pair], lines: tuple[Line, ...], snapshot: StatementSnapshot) -> Verdict:
    if not snapshot.is_looked_up:
        return gravest(["inconclusive", judge_lines(line for line in lines if line.kind != "pending")])
    whole = snapshot.is_listed_whole and not _without_time(pairs)
    return gravest([judge_lines(lines), "reconciled" if whole else "inconclusive"])


def _reasons(
    pairs: list[_Pair], lines: tuple[Line, ...], snapshot: StatementSnapshot, hours: Total, dollars: Total
) -> Iterator[str]:
    of_all = f"of {len(pairs)} sessions"
    pending, unconfirmed = (sum(line.kind == kind for line in lines) for kind in ("pending", "unconfirmed"))
    if snapshot.listing.failure is not None:
        yield f"the project's requests were not all read: {snapshot.listing.failure.reason}"
    if snapshot.lookups.failure is not None:
        yield f"sessions were not all compared: {snapshot.lookups.failure.reason}"
    elif pending and snapshot.is_looked_up:
        yield f"{pending} {of_all} are not in the statement yet, or not settled"
    if snapshot.listing.value is False:
        yield "the project has too many requests to read them all: unknown ones under the run's tag can't be detected"
    if unconfirmed:
        yield (
            f"{unconfirmed} {of_all} can't be compared: nobody saw them end, they have no request id, "
            "or their duration in the statement can't be read"
        )
    if without := _without_time(pairs):
        yield f"{without} {of_all} have neither a duration nor the run's tag in the statement"
    for name, total in (("hours", hours), ("dollars", dollars)):
        if total.verdict == "pending":
            yield f"the {name} of the run's tag are not all in the statement yet"
        elif total.reason is not None and snapshot.project is not None:
            yield f"the {name} of the run's tag were not compared: {total.reason}"
