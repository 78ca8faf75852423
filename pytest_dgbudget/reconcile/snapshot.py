"""The statement as far as it has been read, and what it comes to beside the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.model import utc_now
from pytest_dgbudget.reconcile.question import Question
from pytest_dgbudget.reconcile.result import Reconciliation, Total
from pytest_dgbudget.rules.reconciliation import (
    Line,
    OwnSession,
    Terms,
    VendorRow,
    Verdict,
    gravest,
    judge_lines,
    judge_total,
    match,
)
from pytest_dgbudget.units import known_sum

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.management import ManagementApi

T = TypeVar("T")

# The vendor's clock and ours may be so far apart.
_CLOCKS_APART = timedelta(minutes=5)
# Of the time that is left, the list of all requests gets so much: ours can still be asked for one by one.
_SHARE_OF_THE_LIST = 0.5

_LOST_TAGS = "the statement does not show the run's tag on sessions that carried it"
_NO_PRICES = "neither prices nor the dollars of each request are known"


class Reading(Generic[T]):
    """One thing that is asked for again and again: what was read last, or why nothing could be."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.problem: ReconciliationError | None = None

    def read(self, ask: Callable[[], T]) -> None:
        """Ask; a temporary failure takes nothing back of what was read before."""
        try:
            self.value, self.problem = ask(), None
        except ReconciliationError as error:
            self.problem = None if self.value is not None and error.temporary else error


class Statement:
    """One run's part of the vendor's statement."""

    def __init__(self, question: Question, api: ManagementApi, patience: Timeout) -> None:
        self._question = question
        self._api = api
        self._patience = patience
        self._own = question.sessions()
        self._rows: dict[str, set[VendorRow]] = {}
        self._list_is_cut = False
        self._list, self._singles = Reading[bool](), Reading[bool]()
        self._hours, self._dollars = Reading[int](), Reading[int]()

    def look(self) -> Reconciliation:
        """Read everything that may have changed, and compare."""
        self._list.read(self._read_list)
        if self._api.project is not None:
            self._singles.read(self._read_singly)
            self._hours.read(lambda: self._api.agent_time(*self._days()))
            if self._usd_of_rows() is not None:
                self._dollars.read(lambda: self._api.dollars(*self._days()))
        return self._compared(self._question.terms_now())

    def may_change(self, result: Reconciliation) -> bool:
        """Tell whether another look, later, can show more than this result."""
        readings: tuple[Reading[bool] | Reading[int], ...] = (self._list, self._singles, self._hours, self._dollars)
        return (
            any(reading.problem is not None and reading.problem.temporary for reading in readings)
            or "pending" in (result.hours.verdict, result.dollars.verdict)
            or (self._could_ask and bool(self._awaited()))
        )

    # What is read --------------------------------------------------------------------------------------------------

    def _read_list(self) -> bool:
        """Read every request of the run's time: the only way to see what is under our tag and not ours."""
        self._api.find_project()
        if self._list_is_cut:
            return True
        ours = {session.request_id for session in self._own}
        hurry = self._patience.part(_SHARE_OF_THE_LIST)
        read: dict[str, set[VendorRow]] = {}
        seen = 0
        period = (self._question.began - _CLOCKS_APART, datetime.now(timezone.utc) + _CLOCKS_APART)
        try:
            for rows in self._api.requests(*period, hurry):
                seen += len(rows)
                for row in rows:
                    if row.request_id in ours or row.tagged:
                        read.setdefault(row.request_id, set()).add(row)
                self._list_is_cut = not hurry.left()
                if self._list_is_cut:
                    break
        except ReconciliationError:
            # Pages came, and then the time was over: there are too many of them.
            self._list_is_cut = bool(seen) and not hurry.left()
            if not self._list_is_cut:
                raise
        finally:
            self._rows.update(read)
        return True

    def _read_singly(self) -> bool:
        """Ask for each of ours that the list lacks; where the list was not read, for each that has not settled."""
        list_is_whole = self._list.problem is None and not self._list_is_cut
        for request_id in self._awaited():
            if not (list_is_whole and request_id in self._rows):
                row = self._api.request(request_id)
                if row is not None:
                    self._rows[request_id] = {row}
        return True

    def _days(self) -> tuple[str, str]:
        """The run's days in UTC, and one more: whether a period includes its last day is not documented."""
        last = datetime.now(timezone.utc) + timedelta(days=1)
        return self._question.began.date().isoformat(), last.date().isoformat()

    # What has been read --------------------------------------------------------------------------------------------

    @property
    def _could_ask(self) -> bool:
        """True when what the statement lacks of ours is really not there."""
        return self._api.project is not None and self._singles.problem is None

    def _rows_of(self, session: OwnSession) -> set[VendorRow]:
        return self._rows.get(session.request_id, set()) if session.request_id is not None else set()

    def _is_settled(self, session: OwnSession) -> bool:
        return any(row.settled for row in self._rows_of(session))

    def _row_ms(self, session: OwnSession) -> int | None:
        """Return the duration of a session's one settled row; None where there is no such row, or it has none."""
        settled = [row.ms for row in self._rows_of(session) if row.settled]
        return settled[0] if len(settled) == 1 else None

    def _is_tagged(self, session: OwnSession) -> bool:
        """The statement knows best; where it shows no tags, what we saw of the session's Settings counts."""
        shown = {row.tagged for row in self._rows_of(session)} - {None}
        return True in shown if shown else session.tagged

    def _awaited(self) -> list[str]:
        """Return the ids of our sessions of which the statement has no settled row yet."""
        return [s.request_id for s in self._own if s.request_id is not None and not self._is_settled(s)]

    def _usd_of_rows(self) -> int | None:
        """What the statement says the requests under the run's tag cost; None unless it says so of each."""
        untagged = {session.request_id for session in self._own if not self._is_tagged(session)}
        costs = [
            row.micro_usd
            for request_id, rows in self._rows.items()
            for row in rows
            if row.settled and request_id not in untagged
        ]
        return known_sum(costs) if costs else None

    def _stated_ms(self) -> dict[str, int]:
        stated = {}
        for session in self._own:
            row_ms = self._row_ms(session)
            if session.ms is None and row_ms is not None:
                stated[session.id] = row_ms
        return stated

    # What it comes to ----------------------------------------------------------------------------------------------

    def _compared(self, terms: Terms) -> Reconciliation:
        rows = (row for rows in self._rows.values() for row in rows)
        lines = match(self._own, rows, terms if self._could_ask else terms.unasked())
        hours, dollars = self._compare_hours(terms), self._compare_dollars(terms)
        return Reconciliation(
            verdict=gravest([self._sessions_verdict(lines), hours.verdict, dollars.verdict]),
            tolerance=terms.tolerance,
            checked_at=utc_now(),
            project=self._api.project,
            lines=lines,
            hours=hours,
            dollars=dollars,
            reasons=tuple(self._reasons(lines, hours, dollars)),
            stated_ms=self._stated_ms(),
        )

    def _sessions_verdict(self, lines: tuple[Line, ...]) -> Verdict:
        if not self._could_ask:
            return gravest(["inconclusive", judge_lines(line for line in lines if line.kind != "pending")])
        strangers_seen = self._list.problem is None and not self._list_is_cut
        whole = strangers_seen and not self._without_time()
        return gravest([judge_lines(lines), "reconciled" if whole else "inconclusive"])

    def _without_time(self) -> int:
        """Count the sessions whose time nothing tells: neither their row nor, without the tag, the hours of the tag."""
        return sum(
            self._is_settled(session) and self._row_ms(session) is None and not self._is_tagged(session)
            for session in self._own
        )

    def _compare_hours(self, terms: Terms) -> Total:
        """Sessions were compared one by one already: where a row has a duration, the hours are held against that."""
        tagged = [session for session in self._own if self._is_tagged(session)]
        rows_ms = {session.request_id: self._row_ms(session) for session in tagged}
        without_row = [session.ms or 0 for session in tagged if rows_ms[session.request_id] is None]
        expected_ms = sum(ms for ms in rows_ms.values() if ms is not None) + sum(without_row)
        allowed_ms = sum(terms.tolerance.allowed_ms(ms) for ms in without_row)
        allowed_ms = max(allowed_ms, terms.tolerance.allowed_ms(expected_ms))
        all_known = all(session.ms is not None for session in tagged)
        total = self._total(self._hours, terms, expected_ms, allowed_ms, all_known=all_known)
        return replace(total, own=sum(session.ms or 0 for session in tagged))

    def _compare_dollars(self, terms: Terms) -> Total:
        """No prices are known here: what the run's rows cost is held against what the run's tag does."""
        usd = self._usd_of_rows()
        if usd is None:
            return Total(verdict="off", reason=None if self._awaited() else _NO_PRICES)
        own_ms = sum(session.ms or 0 for session in self._own if self._is_tagged(session))
        allowed = usd * terms.tolerance.allowed_ms(own_ms) // own_ms if own_ms else 0
        whole = all(self._is_settled(session) for session in self._own if self._is_tagged(session))
        return self._total(self._dollars, terms, usd, allowed, all_known=whole)

    def _total(self, reading: Reading[int], terms: Terms, own: int, allowed: int, *, all_known: bool) -> Total:
        if reading.value is None:
            reason = str(reading.problem) if reading.problem is not None else "it was not read"
            return Total(verdict="inconclusive", own=own, reason=reason)
        if any(session.tagged and not self._is_tagged(session) for session in self._own):
            return Total(verdict="inconclusive", own=own, vendor=reading.value, reason=_LOST_TAGS)
        may_grow = any(terms.is_recent(session) for session in self._own)
        verdict = judge_total(own, reading.value, allowed, all_known=all_known, may_grow=may_grow)
        return Total(verdict=verdict, own=own, vendor=reading.value)

    def _reasons(self, lines: tuple[Line, ...], hours: Total, dollars: Total) -> Iterator[str]:
        of_all = f"of {len(self._own)} sessions"
        pending, unconfirmed = (sum(line.kind == kind for line in lines) for kind in ("pending", "unconfirmed"))
        if self._list.problem is not None:
            yield f"the project's requests were not all read: {self._list.problem}"
        if self._singles.problem is not None:
            yield f"sessions were not all compared: {self._singles.problem}"
        elif pending and self._could_ask:
            yield f"{pending} {of_all} are not in the statement yet, or not settled"
        if self._list_is_cut:
            yield "the project has too many requests to read them all: strange ones under the run's tag can't be seen"
        if unconfirmed:
            yield f"{unconfirmed} {of_all} can't be compared: nobody saw their end, or they got no id"
        if without := self._without_time():
            yield f"{without} {of_all} have neither a duration nor the run's tag in the statement"
        for name, total in (("hours", hours), ("dollars", dollars)):
            if total.verdict == "pending":
                yield f"the {name} of the run's tag are not all in the statement yet"
            elif total.reason is not None and self._api.project is not None:
                yield f"the {name} of the run's tag were not compared: {total.reason}"
