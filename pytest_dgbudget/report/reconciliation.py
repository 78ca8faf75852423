"""The reconciliation as a person reads it: one line for the verdict, one for everything that needs a look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_dgbudget.report.document import RunFigures, UsageDocument
from pytest_dgbudget.rules.reconciliation import AGREEING, Tolerance
from pytest_dgbudget.units import known_sum, seconds

_MOST_SENTENCES = 10

Line = Mapping[str, Any]


def verdict_line(document: UsageDocument) -> str | None:
    """Say in one line what came of the comparison; None when it was switched off."""
    reconciliation = document["reconciliation"]
    if reconciliation["verdict"] == "off":
        return None
    lines = reconciliation["lines"]
    whose = "Deepgram's" if document["run"]["billed"] else f"the {document['run']['target']}'s"
    if not lines or reconciliation["checked_at"] is None:
        return f"reconciliation: {reconciliation['verdict']}"
    agree = sum(line["class"] in AGREEING for line in lines)
    figures = f"{agree} of {len(lines)} sessions agree with {whose} statement"
    if (vendor := known_sum(line["vendor_seconds"] for line in lines)) is not None:
        figures += f", which has {vendor:.2f}s"
    if (usd := known_sum(line["vendor_usd"] for line in lines)) is not None:
        figures += f" and ${usd:.4f}"
    return f"reconciliation: {reconciliation['verdict']}; {figures}"


def sentences(document: UsageDocument) -> list[str]:
    """Say of everything that disagrees or could not be checked what it is, and what to do."""
    reconciliation = document["reconciliation"]
    disagreeing = [line for line in reconciliation["lines"] if line["class"] in _SENTENCES]
    said = [_SENTENCES[line["class"]](line, document) for line in disagreeing[:_MOST_SENTENCES]]
    if len(disagreeing) > _MOST_SENTENCES:
        said.append(f"… and {len(disagreeing) - _MOST_SENTENCES} more, all in usage.json")
    said += _totals_that_differ(reconciliation, document["run"])
    said += reconciliation["reasons"]
    if reconciliation["verdict"] == "pending" and reconciliation["checked_at"] is not None:
        said.append("to wait longer, raise --dg-reconcile-timeout")
    return said


def _totals_that_differ(reconciliation: Mapping[str, Any], run: RunFigures) -> Iterator[str]:
    totals = reconciliation["totals"] or {}
    for name, unit in (("hours", "seconds"), ("dollars", "usd")):
        total = totals.get(name)
        if total is not None and total["verdict"] == "discrepancy":
            ours, theirs = (_amount(total[f"{side}_{unit}"], unit) for side in ("local", "vendor"))
            yield (
                f"the {name} under the tag dgbudget-{run['id']} are {theirs} in the statement, and {ours} by the "
                "run's own sessions: look for the same --dg-run-id elsewhere, or ask Deepgram about the tag"
            )


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:.2f}s" if unit == "seconds" else f"${value:.4f}"


def _duration(line: Line, document: UsageDocument) -> str:
    more = "more" if line["delta_seconds"] > 0 else "less"
    allowed = _tolerance(document).allowed_ms(round(1000 * line["local_seconds"]))
    return (
        f"{_request(line)}: the statement has {line['vendor_seconds']:.2f}s, we metered {line['local_seconds']:.2f}s; "
        f"{abs(line['delta_seconds']):.2f}s {more}, where --dg-tolerance allows {seconds(allowed):.2f}s. "
        "Ask Deepgram support about this request id"
    )


def _missing_at_vendor(line: Line, document: UsageDocument) -> str:
    return (
        f"{_request(line)}: we metered {line['local_seconds']:.2f}s, and the statement does not have it although it "
        f"should by now (dg_vendor_grace). Is --dg-project right ({document['reconciliation']['project']})?"
    )


def _missing_in_ledger(line: Line, document: UsageDocument) -> str:
    return (
        f"{_request(line)}: the statement has {_amount(line['vendor_seconds'], 'seconds')} of it under the tag "
        f"dgbudget-{document['run']['id']}, and this run never opened it. Does something else use this --dg-run-id?"
    )


def _duplicate(line: Line, document: UsageDocument) -> str:
    return (
        f"{_request(line)}: the statement has rows of it that differ, {_amount(line['vendor_seconds'], 'seconds')} "
        "together. Ask Deepgram support whether it was billed more than once"
    )


def _unconfirmed(line: Line, document: UsageDocument) -> str:
    if line["local_seconds"] is not None:
        return f"{_request(line)}: we metered {line['local_seconds']:.2f}s, and the vendor never told its request id"
    if line["vendor_seconds"] is not None:
        return f"{_request(line)}: nobody here saw its end; the statement has {line['vendor_seconds']:.2f}s"
    return f"{_request(line)}: nobody here saw its end, so what was set aside for it is charged in full"


_SENTENCES = {
    "duration": _duration,
    "missing-at-vendor": _missing_at_vendor,
    "missing-in-ledger": _missing_in_ledger,
    "duplicate": _duplicate,
    "unconfirmed": _unconfirmed,
}


def _request(line: Line) -> str:
    test = f" ({line['nodeid']})" if line["nodeid"] is not None else ""
    # The id is the vendor's own text, and the terminal obeys what it prints.
    shown = "".join(each if each.isprintable() else "?" for each in line["request_id"] or "without an id")[:100]
    return f"request {shown}{test}"


def _tolerance(document: UsageDocument) -> Tolerance:
    given = document["reconciliation"]["tolerance"]
    return Tolerance(ms=round(1000 * given["seconds"]), share=given["share"])
