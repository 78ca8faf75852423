"""The statement as far as it has been read, and what it comes to beside the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from pytest_dgbudget.deepgram.account import TagTotal
from pytest_dgbudget.deepgram.patience import Patience
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.model import utc_now
from pytest_dgbudget.reconcile.question import Question
from pytest_dgbudget.reconcile.result import Reconciliation, Total
from pytest_dgbudget.rules.matching import (
    Line,
    OwnSession,
    VendorRow,
    Verdict,
    gravest,
    judge_lines,
    judge_total,
    match,
)

if TYPE_CHECKING:
    from pytest_dgbudget.deepgram.management import ManagementApi

# The vendor's clock and ours may be so far apart.
_CLOCKS_APART = timedelta(minutes=5)
# Of the time that is left, the list of all requests gets so much: ours can still be asked for one by one.
_SHARE_OF_THE_LIST = 0.5

_NO_TAGS = "the breakdown shows no tags, so ours can't be told from other traffic of the project"
_NO_PRICES = "neither prices nor the dollars of each request are known"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be read; ``temporary``: it may be, later."""

    text: str
    temporary: bool


class Reading:
    """One thing that is asked for again and again: what was read last, or why nothing could be."""

    def __init__(self) -> None:
        self.was_read = False
        self.problem: Problem | None = None

    def read(self, ask: Callable[[], None]) -> None:
        """Ask; a failure takes nothing back of what was read before."""
        try:
            ask()
        except ReconciliationError as error:
            self.problem = None if self.was_read and error.temporary else Problem(str(error), error.temporary)
        else:
            self.was_read, self.problem = True, None


class Statement:
    """One run's part of the vendor's statement."""

    def __init__(self, question: Question, api: ManagementApi, patience: Patience) -> None:
        self._question = question
        self._api = api
        self._patience = patience
        self._own = question.sessions()
        self._rows: dict[str, set[VendorRow]] = {}
        self._time: TagTotal | None = None
        self._money: TagTotal | None = None
        self._list_is_cut = False
        self._list_reading, self._rows_reading = Reading(), Reading()
        self._time_reading, self._money_reading = Reading(), Reading()

    def look(self) -> Reconciliation:
        """Read everything that may have changed, and compare."""
        self._list_reading.read(self._read_list)
        if self._api.project is not None:
            self._rows_reading.read(self._read_missing_rows)
            self._time_reading.read(self._read_time)
            if self._usd_of_rows() is not None:
                self._money_reading.read(self._read_money)
        return self._compared()

    def may_change(self, result: Reconciliation) -> bool:
        """Tell whether another look, later, can show more than this result."""
        readings = (self._list_reading, self._rows_reading, self._time_reading, self._money_reading)
        problems = [reading.problem for reading in readings if reading.problem is not None]
        return (
            any(problem.temporary for problem in problems)
            or "pending" in (result.hours.verdict, result.dollars.verdict)
            or (self._could_ask and any(self._awaited()))
        )

    # What is read --------------------------------------------------------------------------------------------------

    def _read_list(self) -> None:
        """Read every request of the run's time: the only way to see what is under our tag and not ours."""
        self._api.find_project()
        if self._list_is_cut:
            return
        ours = {session.request_id for session in self._own}
        stop_at = time.monotonic() + self._patience.left() * _SHARE_OF_THE_LIST
        read: dict[str, set[VendorRow]] = {}
        period = (self._question.began - _CLOCKS_APART, datetime.now(timezone.utc) + _CLOCKS_APART)
        try:
            for rows in self._api.requests(*period):
                for row in rows:
                    if row.request_id in ours or row.tagged:
                        read.setdefault(row.request_id, set()).add(row)
                if time.monotonic() > stop_at:
                    self._list_is_cut = True
                    break
        finally:
            self._rows.update(read)

    def _read_missing_rows(self) -> None:
        for request_id in list(self._awaited()):
            row = self._api.request(request_id)
            if row is not None:
                self._rows[request_id] = {row}

    def _awaited(self) -> Iterator[str]:
        """Yield the ids of our sessions of which the statement has no settled row yet."""
        for session in self._own:
            rows = self._rows.get(session.request_id or "", ())
            if session.request_id is not None and not any(row.settled for row in rows):
                yield session.request_id

    def _read_time(self) -> None:
        self._time = self._api.agent_time(*self._days())

    def _read_money(self) -> None:
        self._money = self._api.dollars(*self._days())

    def _days(self) -> tuple[str, str]:
        """The run's days in UTC, and one more: whether a period includes its last day is not documented."""
        last = datetime.now(timezone.utc) + timedelta(days=1)
        return self._question.began.date().isoformat(), last.date().isoformat()

    # What it comes to ----------------------------------------------------------------------------------------------

    def _compared(self) -> Reconciliation:
        lines, hours, dollars = self._lines(), self._hours(), self._dollars()
        return Reconciliation(
            verdict=gravest([self._sessions_verdict(lines), hours.verdict, dollars.verdict]),
            tolerance=self._question.tolerance,
            checked_at=utc_now(),
            project=self._api.project,
            lines=lines,
            hours=hours,
            dollars=dollars,
            reasons=tuple(self._reasons(lines, hours, dollars)),
            stated_ms=self._stated_ms(),
        )

    def _lines(self) -> tuple[Line, ...]:
        terms = self._question.terms if self._could_ask else self._question.terms.unasked()
        return match(self._own, (row for rows in self._rows.values() for row in rows), terms)

    @property
    def _could_ask(self) -> bool:
        """True when what the statement lacks of ours is really not there."""
        return self._api.project is not None and self._rows_reading.problem is None

    def _sessions_verdict(self, lines: Iterable[Line]) -> Verdict:
        if not self._could_ask:
            return gravest(["inconclusive", judge_lines(line for line in lines if line.kind != "pending")])
        strangers_seen = self._list_reading.problem is None and not self._list_is_cut
        return gravest([judge_lines(lines), "reconciled" if strangers_seen else "inconclusive"])

    def _hours(self) -> Total:
        tagged = [session.ms for session in self._own if self._is_tagged(session)]
        known = [ms for ms in tagged if ms is not None]
        return self._total(
            self._time, self._time_reading, sum(known), self._allowed_ms(), all_known=len(known) == len(tagged)
        )

    def _dollars(self) -> Total:
        """No prices are known here: what the run's rows cost is held against what the run's tag does."""
        usd = self._usd_of_rows()
        if usd is None:
            return Total(verdict="off", reason=_NO_PRICES)
        own_ms = sum(session.ms or 0 for session in self._own)
        allowed = usd * self._allowed_ms() // max(own_ms, 1)
        return self._total(self._money, self._money_reading, usd, allowed, all_known=True)

    def _total(self, read: TagTotal | None, reading: Reading, own: int, allowed: int, *, all_known: bool) -> Total:
        if read is None or read.amount is None:
            reason = _NO_TAGS if read is not None else reading.problem.text if reading.problem else "it was not read"
            return Total(verdict="inconclusive", own=own, reason=reason)
        terms = self._question.terms
        may_grow = any(terms.is_recent(session) for session in self._own)
        verdict = judge_total(own, read.amount, allowed, all_known=all_known, may_grow=may_grow)
        return Total(verdict=verdict, own=own, vendor=read.amount)

    def _stated_ms(self) -> dict[str, int]:
        stated = {}
        for session in self._own:
            settled = [row.ms for row in self._rows.get(session.request_id or "", ()) if row.settled]
            if session.ms is None and len(settled) == 1 and settled[0] is not None:
                stated[session.id] = settled[0]
        return stated

    def _is_tagged(self, session: OwnSession) -> bool:
        """The statement knows best; where it shows no tags, what we saw of the session's Settings counts."""
        shown = {row.tagged for row in self._rows.get(session.request_id or "", ())} - {None}
        return True in shown if shown else session.tagged

    def _usd_of_rows(self) -> int | None:
        """What the statement says the requests under the run's tag cost; None unless it says so of each."""
        untagged = {session.request_id for session in self._own if not self._is_tagged(session)}
        costs = [
            row.micro_usd
            for request_id, rows in self._rows.items()
            for row in rows
            if row.settled and request_id not in untagged
        ]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(costs) else None

    def _allowed_ms(self) -> int:
        return sum(self._question.tolerance.allowed_ms(session.ms or 0) for session in self._own)

    def _reasons(self, lines: tuple[Line, ...], hours: Total, dollars: Total) -> Iterator[str]:
        pending, unconfirmed = (sum(line.kind == kind for line in lines) for kind in ("pending", "unconfirmed"))
        if (problem := self._list_reading.problem) is not None:
            yield f"the project's requests were not all read: {problem.text}"
        if (problem := self._rows_reading.problem) is not None:
            yield f"sessions were not all compared: {problem.text}"
        elif pending and self._could_ask:
            yield f"{pending} of {len(lines)} sessions are not in the statement yet, or not settled"
        if self._list_is_cut:
            yield "the project has too many requests to read them all: foreign ones under the run's tag can't be seen"
        if unconfirmed:
            yield f"{unconfirmed} of {len(lines)} sessions can't be compared: nobody saw their end, or they got no id"
        for name, total in (("hours", hours), ("dollars", dollars)):
            if total.verdict == "pending":
                yield f"the {name} of the run's tag are not all in the statement yet"
            elif total.reason is not None and self._api.project is not None:
                yield f"the {name} of the run's tag were not compared: {total.reason}"
