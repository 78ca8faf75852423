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
    """A part of a difference, in so many ``tests``; ``usd`` is None where money is not compared.

    ``mostly`` is the test with the most of it; None where it is of no test that is known.
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
    in_money = before.is_priced and after.is_priced
    parts: dict[Reason, ReasonFigures] = {}
    for currency in _currencies(in_money=in_money):
        for part in change_parts(before.tests, after.tests, currency):
            _count(parts, part, currency, in_money=in_money)
        rest = amount_of(after.rest, currency) - amount_of(before.rest, currency)
        if rest:
            _count(parts, ChangePart("unlisted", rest), currency, in_money=in_money)
    return sorted(parts.values(), key=_largest)


def _currencies(*, in_money: bool) -> Sequence[Currency]:
    return ("time", "money") if in_money else ("time",)


def _count(parts: dict[Reason, ReasonFigures], part: ChangePart, currency: Currency, *, in_money: bool) -> None:
    usd_of_none = 0.0 if in_money else None
    none: ReasonFigures = {"reason": part.reason, "seconds": 0.0, "usd": usd_of_none, "tests": 0, "mostly": None}
    figures = parts.setdefault(part.reason, none)
    figures["tests"] = max(figures["tests"], part.tests)
    figures["mostly"] = part.mostly
    if currency == "time":
        figures["seconds"] = seconds(part.amount)
    else:
        figures["usd"] = usd(part.amount)


def _largest(figures: ReasonFigures) -> tuple[float, float, str]:
    return -abs(figures["usd"] or 0.0), -abs(figures["seconds"]), figures["reason"]


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
