"""The reconciliations of several runs as one: the gravest verdict, all lines, and the sums that add up. Pure.

What can't be added up is null here, with a reason; the merged document has it shard by shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.reconciliation import below_verdict, has_something_to_compare, sentences
from pytest_dgbudget.report.reconciliation_figures import (
    DollarsFigures,
    DriftFigures,
    HoursFigures,
    LagFigures,
    LineFigures,
    RateFigures,
    ReconciliationFigures,
    TotalFigures,
)
from pytest_dgbudget.report.said import said_by
from pytest_dgbudget.report.shards import Shard, shards_in
from pytest_dgbudget.rules.verdicts import Verdict, gravest
from pytest_dgbudget.units import known_sum, seconds, usd

_BY_SHARD = "compared run by run, see the shards"
_NOT_ADDED = (
    "hours and dollars were compared run by run, and can't be added up: two runs have one tag, or one was compared by "
    "its tag and another by its own keys; see the shards"
)


def merged_reconciliation(shards: Sequence[Shard]) -> ReconciliationFigures:
    """Return what the comparisons come to together; runs that had nothing to compare don't count beside others."""
    compared = _with_something_to_compare(shards)
    parts = [_of(shard) for shard in compared]
    totals = _totals(compared)
    return {
        "verdict": _together([part["verdict"] for part in parts]),
        "checked_at": max((part["checked_at"] for part in parts if part["checked_at"] is not None), default=None),
        "project": _common(part["project"] for part in parts if part["project"] is not None),
        "tolerance": _common(part["tolerance"] for part in parts if part["tolerance"] is not None),
        "reasons": [
            *said_by({shard: _of(shard)["reasons"] for shard in compared}),
            *_not_compared(compared),
            *([_NOT_ADDED] if totals is None and any(part["totals"] is not None for part in parts) else []),
        ],
        "remarks": [*said_by({shard: _of(shard)["remarks"] for shard in compared}), *_of_one_another(compared)],
        "lines": _lines(part["lines"] for part in parts),
        "totals": totals,
        "unread": list(dict.fromkeys(name for part in parts for name in part["unread"])),
        "lag": _lag([part["lag"] for part in parts]),
    }


def _of(shard: Shard) -> ReconciliationFigures:
    return shard.document["reconciliation"]


def merged_lines(document: UsageDocument) -> list[str]:
    """Return the verdict of all runs of a document, and below it what each of them has to say."""
    return below_verdict(document, merged_sentences(document))


def merged_sentences(document: UsageDocument) -> list[str]:
    """Return what each run of a document has to say, with whose it is: tags, tolerances and keys are its own.

    Of a document of one run they are its ``sentences``.
    """
    by_shard = {shard: sentences(shard.document) for shard in _with_something_to_compare(shards_in("", document))}
    said, of_all = said_by(by_shard), document["reconciliation"]
    of_shards = {*said, *(text for texts in by_shard.values() for text in texts)}
    return [*said, *(text for text in (*of_all["reasons"], *of_all["remarks"]) if text not in of_shards)]


def _with_something_to_compare(shards: Sequence[Shard]) -> Sequence[Shard]:
    """Return the shards that say something of the whole: all of them where none of them does."""
    return [shard for shard in shards if has_something_to_compare(shard.document)] or shards


def _together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest; where some of them were not compared, the whole was not either."""
    given = set(verdicts)
    if given == {"off"}:
        return "off"
    return gravest([*given, "inconclusive"] if "off" in given else given)


def _common(values: Iterable[Any]) -> Any:
    """Return what all have; None where they differ, or there is none."""
    found = list(values)
    return found[0] if found and all(value == found[0] for value in found) else None


def _not_compared(shards: Sequence[Shard]) -> list[str]:
    off = [shard for shard in shards if _of(shard)["verdict"] == "off"]
    if not off or len(off) == len(shards):
        return []
    return [f"the sessions of run {', '.join(dict.fromkeys(s.run_id for s in off))} were not compared (--dg-reconcile)"]


def _of_one_another(shards: Sequence[Shard]) -> list[str]:
    """Say where runs have found one another's sessions, which each of them took for nobody's."""
    ours = {session["request_id"] for shard in shards for session in shard.document["sessions"]}
    found = {line["request_id"] for s in shards for line in _of(s)["lines"] if line["class"] == "missing-in-ledger"} & (
        ours - {None}
    )
    if not found:
        return []
    requests = "1 request that is" if len(found) == 1 else f"{len(found)} requests that are"
    return [
        f"{requests} missing in the ledger of one of these runs, under its tag, had been opened by another: "
        "give each run a --dg-run-id of its own"
    ]


def _lines(of_shards: Iterable[Sequence[LineFigures]]) -> list[LineFigures]:
    """Return all lines; a row that two runs have found alike is one. Without a request id they can't be told."""
    lines: list[LineFigures] = []
    found: dict[str, list[LineFigures]] = {}
    for line in (line for lines in of_shards for line in lines):
        alike = [] if line["request_id"] is None else found.setdefault(line["request_id"], [])
        if line not in alike:
            alike.append(line)
            lines.append(line)
    return lines


# Sums -----------------------------------------------------------------------------------------------------------------


def _totals(shards: Sequence[Shard]) -> TotalFigures | None:
    totals = [total for shard in shards if (total := _of(shard)["totals"]) is not None]
    if len(totals) < len(shards) or not _add_up(shards, totals):
        return None
    return {
        "by": totals[0]["by"],
        "hours": _hours([total["hours"] for total in totals]),
        "dollars": _dollars([total["dollars"] for total in totals]),
        "drift": _drift([total["drift"] for total in totals if total["drift"] is not None]),
        "rates": _rates([rate for total in totals for rate in total["rates"]]),
    }


def _add_up(shards: Sequence[Shard], totals: Sequence[TotalFigures]) -> bool:
    """What the statement has under one tag is in the totals of each run that has the tag."""
    by: set[Literal["tag", "key"]] = {total["by"] for total in totals}
    return len(shards) == 1 or by == {"key"} or (by == {"tag"} and len({s.run_id for s in shards}) == len(shards))


def _hours(parts: Sequence[HoursFigures]) -> HoursFigures:
    return {
        "verdict": _together([part["verdict"] for part in parts]),
        "local_seconds": _added([part["local_seconds"] for part in parts], 1000),
        "vendor_seconds": _added([part["vendor_seconds"] for part in parts], 1000),
        "reason": _reason(part["reason"] for part in parts),
    }


def _dollars(parts: Sequence[DollarsFigures]) -> DollarsFigures:
    return {
        "verdict": _together([part["verdict"] for part in parts]),
        "local_usd": _added([part["local_usd"] for part in parts], 1_000_000),
        "vendor_usd": _added([part["vendor_usd"] for part in parts], 1_000_000),
        "reason": _reason(part["reason"] for part in parts),
    }


def _added(values: Sequence[float | None], units: int) -> float | None:
    """Add up in whole units: floating-point sums would depend on the order."""
    total = known_sum(None if value is None else round(value * units) for value in values)
    return None if total is None else total / units


def _reason(reasons: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason is not None)) or None


def _drift(parts: Sequence[DriftFigures]) -> DriftFigures | None:
    """A drift is judged over the sessions of one run: what several come to together is not known."""
    if len(parts) < 2:
        return parts[0] if parts else None
    judged = [part["verdict"] for part in parts if part["verdict"] is not None]
    return {
        "verdict": gravest(judged) if judged else None,
        "reason": _BY_SHARD,
        "n": sum(part["n"] for part in parts),
        "seconds": None,
        "direction": None,
        "mean_seconds": None,
        "interval_seconds": None,
    }


def _rates(rates: Iterable[RateFigures]) -> list[RateFigures]:
    """Return one price for each tier and expectation, weighted by time."""
    alike: dict[tuple[object, ...], list[RateFigures]] = {}
    for rate in rates:
        alike.setdefault((rate["tier"], rate["expected_by"], rate["expected_usd_per_minute"]), []).append(rate)
    return [group[0] if len(group) == 1 else _rate(group) for group in alike.values()]


def _rate(alike: Sequence[RateFigures]) -> RateFigures:
    times_ms = [round(rate["seconds"] * 1000) for rate in alike]
    prices = [round(rate["vendor_usd_per_minute"] * 1_000_000) for rate in alike]
    billed = sum(ms * price for ms, price in zip(times_ms, prices, strict=True))
    return {
        **alike[0],
        "sessions": sum(rate["sessions"] for rate in alike),
        "seconds": seconds(sum(times_ms)),
        "vendor_usd_per_minute": usd(round(billed / sum(times_ms))),
        "wrong": any(rate["wrong"] for rate in alike),
    }


def _lag(lags: Sequence[LagFigures | None]) -> LagFigures | None:
    """Return how long the slowest took: it settled when all had."""
    known = [lag for lag in lags if lag is not None]
    if not known:
        return None
    pending = [lag["pending_seconds"] for lag in known if lag["pending_seconds"] is not None]
    settled = [None if lag is None else lag["settled_seconds"] for lag in lags]
    return {
        "pending_seconds": max(pending, default=None),
        "settled_seconds": None if None in settled else max(each for each in settled if each is not None),
    }
