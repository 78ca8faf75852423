"""The hours and the dollars under a run's tag or key, each as one figure.

Pure: milliseconds, and millionths of a US dollar. None is unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_dgbudget.rules.comparison import Line, Ours, Terms
from pytest_dgbudget.rules.statement import Reading
from pytest_dgbudget.rules.verdicts import Verdict
from pytest_dgbudget.units import known_sum

_LOST_TAGS = "the statement does not show the run's tag on sessions that carried it"
_NO_PRICES = "the statement does not say what each request cost, and it may have other prices than ours"
_NOT_SETTLED = "some of the run's requests have not settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Everything under the run's tag or key in one figure: milliseconds, or millionths of a dollar.

    ``verdict`` is ``off`` where there is nothing to compare with; ``reason`` says why it was not compared.
    """

    verdict: Verdict
    own: int | None = None
    vendor: int | None = None
    reason: str | None = None


NO_TOTAL = Total(verdict="off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A run's lines: those ``under`` its tag or key are in its hours and dollars, those ``not_under`` it aren't.

    ``may_grow``: a session has ended so recently that the totals may lack it.
    """

    under: tuple[Line, ...]
    not_under: tuple[Line, ...]
    may_grow: bool

    @property
    def lost_tags(self) -> bool:
        """Whether the statement does not show the tag of a session that carried it."""
        return any(session.tagged for line in self.not_under for session in line.own)

    @property
    def settled(self) -> bool:
        """Whether all of the run's requests have settled."""
        lines = (*self.under, *self.not_under)
        return all(line.settled for line in lines if line.has_session and line.request_id is not None)


def counted(lines: Sequence[Line], ours: Ours, terms: Terms) -> Counted:
    """Return which of a run's lines count in its totals."""
    under: list[Line] = []
    not_under: list[Line] = []
    for line in lines:
        (under if _is_counted(line, ours) else not_under).append(line)
    may_grow = any(terms.is_recent(session) for line in lines for session in line.own)
    return Counted(under=tuple(under), not_under=tuple(not_under), may_grow=may_grow)


def _is_counted(line: Line, ours: Ours) -> bool:
    """The statement knows best; where it can't tell, what we saw of the session's Settings counts."""
    known = {ours.has(row) for row in line.rows} - {None}
    return True in known if known else any(session.tagged for session in line.own)


def hours_of(lines: Counted, reading: Reading[int], terms: Terms) -> Total:
    """Sessions were compared one by one already: where a row has a duration, the hours are compared with that."""
    own = [line for line in lines.under if line.own]
    perhaps_own = [line for line in lines.under if line.kind == "unconfirmed" and not line.own]
    sum_of_rows = sum(line.stated_ms for line in own if line.stated_ms is not None)
    without = [session.ms or 0 for line in own if line.stated_ms is None for session in line.own]
    expected_ms = sum_of_rows + sum(without)
    allowed_ms = max(
        sum(map(terms.tolerance.allowed_ms, without)), terms.tolerance.allowed_ms(expected_ms), _rounded(own)
    )
    around_ms = sum(line.around_ms or 0 for line in own if line.stated_ms is None)
    allowed_ms += sum(line.stated_ms or 0 for line in perhaps_own)
    all_known = not perhaps_own and all(line.own_ms is not None for line in own)
    total = _total(lines, reading, expected_ms, allowed_ms, all_known=all_known, around=around_ms)
    return replace(total, own=_metered_ms(own))


def hours_of_own(lines: Counted, reading: Reading[int], terms: Terms) -> Total:
    """The same without the time of what nobody opened; ``inconclusive`` where a row of that states none."""
    unlogged = [row for line in lines.under if line.kind == "missing-in-ledger" for row in line.rows]
    unlogged_ms = known_sum(row.duration_ms for row in unlogged)
    if reading.value is None or unlogged_ms is None:
        return Total(verdict="inconclusive")
    return hours_of(lines, replace(reading, value=max(0, reading.value - unlogged_ms)), terms)


def dollars_of(lines: Counted, reading: Reading[int], terms: Terms) -> Total:
    """What the run's rows cost is compared with what its tag or key cost: each row may have another price."""
    cost = cost_of(lines.under)
    if cost is None:
        return Total(verdict="off", reason=_NO_PRICES if lines.settled or not lines.may_grow else None)
    own = [line for line in lines.under if line.has_session]
    own_ms = _metered_ms(own)
    allowed = max(cost * terms.tolerance.allowed_ms(own_ms) // own_ms if own_ms else 0, _rounded(lines.under))
    total = _total(lines, reading, cost, allowed, all_known=all(line.settled for line in own))
    if total.verdict == "inconclusive" and total.reason is None:
        return replace(total, reason=_NOT_SETTLED)
    return total


def cost_of(lines: Iterable[Line]) -> int | None:
    """Return what settled rows cost; None unless each has its cost, and there is one."""
    costs = [row.micro_usd for line in lines for row in line.rows if row.settled]
    return known_sum(costs) if costs else None


def _rounded(lines: Iterable[Line]) -> int:
    """Half a unit of each row and of their sum: all are whole here, and need not be at the vendor's."""
    return (sum(len(line.rows) for line in lines) + 1) // 2


def _metered_ms(lines: Iterable[Line]) -> int:
    return sum(session.ms or 0 for line in lines for session in line.own)


def _total(lines: Counted, reading: Reading[int], own: int, allowed: int, *, all_known: bool, around: int = 0) -> Total:
    if reading.value is None:
        reason = reading.failure.reason if reading.failure is not None else "it was not read"
        return Total(verdict="inconclusive", own=own, reason=reason)
    if lines.lost_tags:
        return Total(verdict="inconclusive", own=own, vendor=reading.value, reason=_LOST_TAGS)
    verdict = judge_total(own, reading.value, allowed, all_known=all_known, may_grow=lines.may_grow, around=around)
    return Total(verdict=verdict, own=own, vendor=reading.value)


def judge_total(own: int, vendor: int, allowed: int, *, all_known: bool, may_grow: bool, around: int = 0) -> Verdict:
    """Compare two sums of one unit, which may lie ``allowed`` apart; ``around`` is what the vendor may not count.

    ``all_known``: ``own`` is the whole of it and not just what was seen. ``may_grow``: the vendor's may be late.
    While it may, a vendor's sum of nothing is late, however small ours is.
    """
    if vendor < own - around - allowed:
        return "pending" if may_grow else "discrepancy"
    if may_grow and vendor == 0 < own:
        return "pending"
    if not all_known:
        return "inconclusive"
    return "reconciled" if vendor <= own + allowed else "discrepancy"
