"""Usage records and the vendor's statement: one line for each pair, and what the lines come to.

Pure: instants are milliseconds since 1970 (UTC), money is millionths of a US dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_dgbudget.rules.verdicts import VERDICT_OF, LineClass, Tolerance, Verdict, gravest
from pytest_dgbudget.units import known_sum

# We measure at one end of the network and the vendor at the other: figures closer than this count as the same.
MATCHED_MS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """One session in the ledger. ``ms`` is None when nobody saw its end.

    ``tagged``: the vendor took the Settings that carry the run's tag.
    """

    id: str
    request_id: str | None
    ms: int | None
    ended_at_ms: int | None
    tagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRow:
    """One request in the statement. ``tagged`` is None where it shows no tags.

    Until it is ``settled``, its figures may still change. ``created`` is as it came: it distinguishes rows.
    ``unreadable_duration`` is what stands where a duration should; None when that is one, or nothing.
    """

    request_id: str
    created: str | None = None
    ms: int | None
    unreadable_duration: str | None = None
    micro_usd: int | None
    tagged: bool | None
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One request as both sides have it. ``sessions`` are ours: none, or nearly always one.

    ``unreadable_duration`` is what the statement has where a duration should be, when that is not one.
    """

    kind: LineClass
    request_id: str | None
    sessions: tuple[str, ...]
    own_ms: int | None
    vendor_ms: int | None
    unreadable_duration: str | None = None
    micro_usd: int | None

    @property
    def delta_ms(self) -> int | None:
        """How much more the vendor says."""
        return None if self.own_ms is None or self.vendor_ms is None else self.vendor_ms - self.own_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a comparison: for ``grace_ms`` after a session's end, the statement may lack it.

    None is forever.
    """

    tolerance: Tolerance
    grace_ms: int | None
    now_ms: int

    def is_recent(self, session: OwnSession) -> bool:
        if self.grace_ms is None or session.ended_at_ms is None:
            return True
        return self.now_ms - session.ended_at_ms < self.grace_ms

    def unasked(self) -> Terms:
        """The same where the statement could not be read: a session that could not be looked up is not missing."""
        return replace(self, grace_ms=None)


def match(sessions: Sequence[OwnSession], rows: Iterable[VendorRow], terms: Terms) -> tuple[Line, ...]:
    """Pair ours with theirs by request id: ours in their order, then what is under our tag and not ours.

    A row that is seen twice is one row. Rows that are neither ours nor under our tag get no line.
    """
    theirs = rows_by_request(rows)
    lines = [
        _line(request_id, own, theirs.pop(request_id, set()) if request_id is not None else set(), terms)
        for request_id, own in _by_request(sessions)
    ]
    unknown_rows = {id_: found for id_, found in theirs.items() if any(row.tagged for row in found)}
    return (*lines, *(_line(request_id, [], unknown_rows[request_id], terms) for request_id in sorted(unknown_rows)))


def rows_by_request(rows: Iterable[VendorRow]) -> dict[str, set[VendorRow]]:
    """Group rows by their request id; a row that is seen twice is one row."""
    groups: dict[str, set[VendorRow]] = {}
    for row in rows:
        groups.setdefault(row.request_id, set()).add(row)
    return groups


def _by_request(sessions: Sequence[OwnSession]) -> list[tuple[str | None, list[OwnSession]]]:
    groups: dict[str, list[OwnSession]] = {}
    for session in sessions:
        key = f"request {session.request_id}" if session.request_id is not None else f"session {session.id}"
        groups.setdefault(key, []).append(session)
    return [(group[0].request_id, group) for group in groups.values()]


def _line(request_id: str | None, own: list[OwnSession], rows: set[VendorRow], terms: Terms) -> Line:
    counted = _counted(rows)
    own_ms = known_sum(session.ms for session in own) if own else None
    vendor_ms = known_sum(row.ms for row in counted) if counted else None
    return Line(
        kind=_class(request_id, own, own_ms, counted, terms),
        request_id=request_id,
        sessions=tuple(session.id for session in own),
        own_ms=own_ms,
        vendor_ms=vendor_ms,
        unreadable_duration=next((row.unreadable_duration for row in counted if row.unreadable_duration), None),
        micro_usd=known_sum(row.micro_usd for row in counted) if counted else None,
    )


def _counted(rows: set[VendorRow]) -> list[VendorRow]:
    """The settled rows; without one, the row that says most: it may have been seen before and after it settled."""
    settled = [row for row in rows if row.settled]
    return settled or sorted(rows, key=_how_much_it_says)[-1:]


def _how_much_it_says(row: VendorRow) -> tuple[int, int, bool]:
    return (-1 if row.ms is None else row.ms, -1 if row.micro_usd is None else row.micro_usd, row.tagged is True)


def _class(
    request_id: str | None, own: list[OwnSession], own_ms: int | None, rows: list[VendorRow], terms: Terms
) -> LineClass:
    if not own:
        return "missing-in-ledger"
    if len(rows) > 1:
        return "duplicate"
    if request_id is None or own_ms is None:
        return "unconfirmed"
    vendor_ms = rows[0].ms if rows else None
    unreadable = any(row.unreadable_duration for row in rows)
    if not rows or not rows[0].settled:
        if any(terms.is_recent(session) for session in own):
            return "pending"
        if vendor_ms is None and not unreadable:
            return "missing-at-vendor"
    return "unconfirmed" if unreadable else _by_duration(own_ms, vendor_ms, terms.tolerance)


def _by_duration(own_ms: int, vendor_ms: int | None, tolerance: Tolerance) -> LineClass:
    """A row without a duration is matched by its id; its time is then checked by the hours of the run's tag."""
    if vendor_ms is None:
        return "matched"
    apart_ms, allowed_ms = abs(vendor_ms - own_ms), tolerance.allowed_ms(own_ms)
    if apart_ms <= min(MATCHED_MS, allowed_ms):
        return "matched"
    return "within-tolerance" if apart_ms <= allowed_ms else "duration"


def judge_lines(lines: Iterable[Line]) -> Verdict:
    """Return the verdict that the lines come to."""
    return gravest(VERDICT_OF[line.kind] for line in lines)
