"""What sessions have spent, as documents of several runs have it, and why one time it was more than another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict

from pytest_dgbudget.model import Currency
from pytest_dgbudget.report.shown import ESTIMATE, shown_usd
from pytest_dgbudget.rules.attempts import usd_or_none
from pytest_dgbudget.rules.spending import ChangePart, Reason, Spent, amount_of, change_parts, total
from pytest_dgbudget.units import counted, seconds, usd

TIME_IS_COMPARED = "a part of the cost is not known, so it is time that is compared"
# More than before, and less.
_WORDS: Mapping[Reason, tuple[str, str]] = {
    "new-tests": ("{new}", "{new}"),
    "gone-tests": ("{gone}", "{gone}"),
    "sessions": ("more sessions in {tests} (more runs, reruns or retries)", "fewer sessions in {tests}"),
    "length": ("longer sessions in {tests}", "shorter sessions in {tests}"),
    "price": (
        "a higher price per minute in {tests} (tier or price list)",
        "a lower price per minute in {tests} (tier or price list)",
    ),
    "rounding": ("rounding of costs in {tests}", "rounding of costs in {tests}"),
    "unseen": ("more charged at risk in {tests}, as nobody saw a session end", "less charged at risk in {tests}"),
    "unlisted": ("more in what an archive has", "less in what an archive has"),
}


class Side(NamedTuple):
    """What each test spent at one time, and what was spent beside these: what of it is in archives."""

    tests: Mapping[str, Spent]
    rest: Spent

    @property
    def is_priced(self) -> bool:
        """Whether the cost of all of it is known."""
        return not self.of_all().unpriced

    def of_all(self) -> Spent:
        return total([self.rest, *self.tests.values()])


class SpendingFigures(TypedDict):
    """``sessions`` counts those that opened; ``seconds`` and ``cost_usd`` are charged, emulated ones as they would be
    live. ``cost_usd`` is None where a part is not known, ``known_usd`` is the rest of it; ``estimated``: a part of the
    cost is the highest that it may be. ``at_risk_seconds``: charged but not metered. ``vendor_usd``:
    by the statement; None where that lacks a part.
    """

    sessions: int
    seconds: float
    cost_usd: float | None
    known_usd: float
    estimated: bool | None
    at_risk_seconds: float
    vendor_usd: float | None


class ReasonFigures(TypedDict):
    """A part of a difference; ``usd`` is None where money is not compared.

    ``tests`` counts those that changed as the part did, up or down; ``mostly`` is the one of them that changed most,
    None where it is of no test that is known. Both are of the money, where a part has any, else of the time.
    """

    reason: Reason
    seconds: float
    usd: float | None
    tests: int
    mostly: str | None


def spending_figures(spending: Spent) -> SpendingFigures:
    return {
        "sessions": spending.sessions,
        "seconds": seconds(spending.ms),
        "cost_usd": usd_or_none(spending.cost_micro_usd),
        "known_usd": usd(spending.micro_usd),
        "estimated": None if spending.unpriced else spending.is_estimated,
        "at_risk_seconds": seconds(spending.unseen_ms),
        "vendor_usd": usd_or_none(spending.stated_micro_usd),
    }


def reasons_with_rest(before: Side, after: Side) -> list[ReasonFigures]:
    """Return why the sum of two sides differs, the largest part first: in money where all of it is known."""
    in_time = _parts(before, after, "time")
    if not (before.is_priced and after.is_priced):
        return sorted((_figures(part, None) for part in in_time.values()), key=_largest)
    in_money = _parts(before, after, "money")
    pairs = (
        (in_time.get(reason, ChangePart(reason, 0)), in_money.get(reason, ChangePart(reason, 0)))
        for reason in {**in_time, **in_money}
    )
    return sorted((_figures(*pair) for pair in pairs), key=_largest)


def _parts(before: Side, after: Side, currency: Currency) -> dict[Reason, ChangePart]:
    parts = {part.reason: part for part in change_parts(before.tests, after.tests, currency)}
    rest = amount_of(after.rest, currency) - amount_of(before.rest, currency)
    return {**parts, "unlisted": ChangePart("unlisted", rest)} if rest else parts


def _figures(in_time: ChangePart, in_money: ChangePart | None) -> ReasonFigures:
    most = in_money if in_money is not None and in_money.amount else in_time
    return {
        "reason": in_time.reason,
        "seconds": seconds(in_time.amount),
        "usd": None if in_money is None else usd(in_money.amount),
        "tests": most.tests,
        "mostly": most.mostly,
    }


def _largest(figures: ReasonFigures) -> tuple[float, float, str]:
    return -abs(figures["usd"] or 0.0), -abs(figures["seconds"]), figures["reason"]


def listed_reasons(reasons: Sequence[ReasonFigures]) -> Sequence[ReasonFigures]:
    """Return the parts of a difference that are more than nothing in the decimals shown; all, where none is."""
    return [each for each in reasons if _is_shown(each["seconds"], each["usd"])] or reasons


def _is_shown(in_seconds: float, in_usd: float | None) -> bool:
    return bool(round(in_seconds, 2) if in_usd is None else round(in_usd, 4))


def said_of_reasons(reasons: Sequence[ReasonFigures]) -> Iterator[str]:
    """Yield a line for each part of a difference."""
    for each in reasons:
        amount = each["usd"] or each["seconds"]
        text = _WORDS[each["reason"]][amount < 0].format(
            tests=counted(each["tests"], "test"),
            new=counted(each["tests"], "new test"),
            gone=f"{counted(each['tests'], 'test')} that no longer ran",
        )
        yield f"{difference(each['seconds'], each['usd'])}: {text}"


def difference(in_seconds: float, in_usd: float | None) -> str:
    """Return a difference with its sign: in money where that is known, else in time."""
    return signed_time(in_seconds) if in_usd is None else signed_usd(in_usd)


def signed_time(in_seconds: float) -> str:
    return f"{in_seconds:+,.2f}s"


def signed_usd(in_usd: float) -> str:
    return f"{'-' if in_usd < 0 else '+'}{shown_usd(abs(in_usd))}"


def cost_text(figures: SpendingFigures) -> str:
    """Return a cost, marked where it is estimated; where a part of it is not known, at least how much it is."""
    if figures["cost_usd"] is not None:
        return f"{ESTIMATE if figures['estimated'] else ''}{shown_usd(figures['cost_usd'])}"
    return f"≥ {shown_usd(figures['known_usd'])}" if figures["known_usd"] else "-"
