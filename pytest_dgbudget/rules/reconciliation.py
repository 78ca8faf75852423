"""Usage records and the vendor's statement: one line for each pair, and what the lines come to.

Pure. A period has a hundred thousand of each: rows are grouped once, and hashed nowhere.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pytest_dgbudget.rules.comparison import NO_ID, Line, Ours, OwnSession, Terms, VendorRow
from pytest_dgbudget.rules.same_rows import counted_rows, fullest
from pytest_dgbudget.rules.verdicts import VERDICT_OF, LineClass, Tolerance, Verdict, gravest
from pytest_dgbudget.units import known_sum

# We measure at one end of the network and the vendor at the other: figures closer than this count as the same.
MATCHED_MS = 100
# How far two clocks may be apart, and how long a dial takes at most to get its request id.
_CLOCK_SKEW_MS, _LONGEST_DIAL_MS = 5_000, 60_000


def match(
    sessions: Sequence[OwnSession],
    rows: Iterable[VendorRow],
    ours: Ours,
    terms: Terms,
    dials: Sequence[OwnSession] = (),
) -> tuple[Line, ...]:
    """Pair ours with theirs by request id: ours in their order, then what is ours by tag or key and not in the ledger.

    A row that is seen twice is one row. Rows that are neither of our sessions nor known to be ours get no line, nor do
    those of ``dials`` that never opened. One that began while we dialled without learning the id is ``unconfirmed``.
    """
    theirs = rows_by_request(rows)
    known = _by_request(sessions)
    lines = [_line(own, theirs.get(key, ()) if isinstance(key, str) else (), terms) for key, own in known.items()]
    elsewhere = known.keys() | {dial.request_id for dial in dials}
    unknown = {key: theirs[key] for key in theirs.keys() - elsewhere if any(map(ours.has, theirs[key]))}
    without_id = [each for each in (*sessions, *dials) if each.request_id is None]
    return (*lines, *_unknown_lines(unknown, _perhaps_ours(unknown, without_id)))


def match_dials(dials: Iterable[OwnSession], rows: Iterable[VendorRow], terms: Terms) -> tuple[Line, ...]:
    """Pair the dials that never opened with what the statement has of them: ``matched``, or ``unconfirmed``.

    Whether such a dial is billed is documented nowhere. More than it took can't be explained by that.
    """
    ids = {dial.request_id for dial in dials}
    theirs = rows_by_request(row for row in rows if row.request_id in ids)
    return tuple(
        _dial_line(dial, counted_rows(theirs[key]), terms) for dial in dials if (key := dial.request_id) in theirs
    )


def rows_by_request(rows: Iterable[VendorRow]) -> dict[str, tuple[VendorRow, ...]]:
    """Group the rows that have a request id by it; a row that is seen twice, or while it was filled in, is one row."""
    groups: dict[str, list[VendorRow]] = {}
    for row in rows:
        if row.request_id != NO_ID:
            groups.setdefault(row.request_id, []).append(row)
    return {key: fullest(group) if len(group) > 1 else (group[0],) for key, group in groups.items()}


def unreadable_rows(rows: Iterable[VendorRow], ours: Ours) -> int:
    """Count the rows under our tag or key that have no id: nobody knows what they belong to."""
    return len({row for row in rows if row.request_id == NO_ID and ours.has(row)})


def _by_request(sessions: Iterable[OwnSession]) -> dict[str | tuple[str], tuple[OwnSession, ...]]:
    """Group sessions by their request id; one without an id is alone."""
    groups: dict[str | tuple[str], tuple[OwnSession, ...]] = {}
    for session in sessions:
        key = session.request_id if session.request_id is not None else (session.id,)
        group = groups.get(key)
        groups[key] = (session,) if group is None else (*group, session)
    return groups


def _unknown_lines(unknown: Mapping[str, tuple[VendorRow, ...]], perhaps_ours: Collection[str]) -> Iterator[Line]:
    for request_id, rows in sorted(unknown.items()):
        kind: LineClass = "unconfirmed" if request_id in perhaps_ours else "missing-in-ledger"
        yield Line(kind=kind, request_id=request_id, rows=counted_rows(rows))


def _perhaps_ours(unknown: Mapping[str, tuple[VendorRow, ...]], without_id: Iterable[OwnSession]) -> set[str]:
    """Return which requests began while we dialled without learning the id; each dial is at most one of them."""
    began = ((counted_rows(rows)[0].created_ms, request_id) for request_id, rows in unknown.items())
    left = sorted((at_ms, request_id) for at_ms, request_id in began if at_ms is not None)
    found: set[str] = set()
    for first_ms, last_ms in sorted(map(_dialled, without_id), key=lambda dialled: dialled[1]):
        at = bisect_left(left, (first_ms, ""))
        if at < len(left) and left[at][0] <= last_ms:
            found.add(left.pop(at)[1])
    return found


def _dialled(session: OwnSession) -> tuple[int, int]:
    """Return from when to when the vendor may have created the request of a dial."""
    opened_ms = session.opened_at_ms or 0
    ended_ms = opened_ms + _LONGEST_DIAL_MS if session.ended_at_ms is None else session.ended_at_ms
    return opened_ms - _CLOCK_SKEW_MS, ended_ms + _CLOCK_SKEW_MS


def _dial_line(dial: OwnSession, rows: tuple[VendorRow, ...], terms: Terms) -> Line:
    ms = dial.ms or 0
    is_explained = sum(row.shown_ms or 0 for row in rows) <= ms + terms.tolerance.allowed_ms(ms)
    kind: LineClass = "matched" if is_explained else "unconfirmed"
    return Line(kind=kind, request_id=dial.request_id, own=(dial,), rows=rows)


def _line(own: tuple[OwnSession, ...], rows: tuple[VendorRow, ...], terms: Terms) -> Line:
    counted = counted_rows(rows)
    return Line(kind=_class(own, counted, terms), request_id=own[0].request_id, own=own, rows=counted)


def _class(own: tuple[OwnSession, ...], rows: tuple[VendorRow, ...], terms: Terms) -> LineClass:
    if len(rows) > 1:
        return "duplicate"
    own_ms = own[0].ms if len(own) == 1 else known_sum(session.ms for session in own)
    if own[0].request_id is None or own_ms is None:
        return "unconfirmed"
    row = rows[0] if rows else None
    if row is None or not row.settled:
        if any(terms.is_recent(session) for session in own):
            return "pending"
        if row is None or (row.shown_ms is None and row.unreadable_duration is None):
            return "missing-at-vendor"
    return "unconfirmed" if row.unreadable_duration else _by_time(own, own_ms, row, terms.tolerance)


def _by_time(own: tuple[OwnSession, ...], own_ms: int, row: VendorRow, tolerance: Tolerance) -> LineClass:
    """A row without a duration is matched by its id; its time is then checked by the hours of the run's tag or key.

    The vendor need not count our handshake and close.
    """
    shown_ms = row.shown_ms
    if shown_ms is None:
        return "matched"
    allowed_ms, around_ms = tolerance.allowed_ms(own_ms), known_sum(session.around_ms for session in own) or 0
    agrees = own_ms - around_ms - allowed_ms <= shown_ms <= own_ms + allowed_ms
    if row.duration_ms is None:
        return "matched" if agrees else "unclear"
    if abs(shown_ms - own_ms) <= min(MATCHED_MS, allowed_ms):
        return "matched"
    return "within-tolerance" if agrees else "duration"


def judge_lines(lines: Iterable[Line]) -> Verdict:
    """Return the verdict that the lines come to."""
    return gravest(VERDICT_OF[line.kind] for line in lines)
