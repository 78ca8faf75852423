"""The reconciliation in a terminal: one line for the verdict, and one for each thing that needs attention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pytest_dgbudget.report.document import RunFigures, UsageDocument
from pytest_dgbudget.report.reconciliation_figures import (
    DriftFigures,
    ForeignFigures,
    LineFigures,
    RateFigures,
    ReconciliationFigures,
)
from pytest_dgbudget.rules.verdicts import AGREEING, LineClass, Tolerance
from pytest_dgbudget.rules.wording import DRIFT
from pytest_dgbudget.units import counted, known_sum, seconds, short_usd

_MOST_SENTENCES = 10


def verdict_line(document: UsageDocument) -> str | None:
    """Return one line with the result of the comparison; None when it was switched off."""
    reconciliation = document["reconciliation"]
    if reconciliation["verdict"] == "off":
        return None
    lines = reconciliation["lines"]
    whose = "Deepgram's" if document["run"]["billed"] else "the emulator's"
    if not lines or reconciliation["checked_at"] is None:
        return f"reconciliation: {reconciliation['verdict']}"
    agreeing = sum(line["class"] in AGREEING for line in lines)
    agree = f"{agreeing:,} of {counted(len(lines), 'session')} agree{'s' if len(lines) == 1 else ''}"
    figures = ", ".join(_stated(reconciliation))
    said = f"{agree} with {whose} statement{f' ({figures})' if figures else ''}"
    return f"reconciliation: {reconciliation['verdict']}; {said}"


def reconciliation_lines(document: UsageDocument) -> list[str]:
    """Return what is said of a run's comparison; of several runs, ``merged_reconciliation`` has that."""
    return below_verdict(document, sentences(document))


def below_verdict(document: UsageDocument, said: Iterable[str]) -> list[str]:
    """Return the verdict, and these sentences below it; nothing where no test asked for a session."""
    verdict = verdict_line(document)
    if verdict is None or not (document["tests"] or has_something_to_compare(document)):
        return []
    return [verdict, *(f"  {sentence}" for sentence in said)]


def has_something_to_compare(document: UsageDocument) -> bool:
    """Return whether the comparison says anything: not where there was no session, and nothing else was found."""
    reconciliation = document["reconciliation"]
    is_said = reconciliation["verdict"] not in {"reconciled", "off"}
    return is_said or bool(document["sessions"] or reconciliation["lines"])


def _stated(reconciliation: ReconciliationFigures) -> Iterator[str]:
    """Yield what the statement has in all; where rows state no duration, the run's hours."""
    lines, totals = reconciliation["lines"], reconciliation["totals"]
    if (stated := known_sum(line["vendor_seconds"] for line in lines)) is not None:
        yield f"{stated:.2f}s"
    elif totals is not None and (hours := totals["hours"]["vendor_seconds"]) is not None:
        yield f"{hours:.2f}s of agent hours"
    if (usd := known_sum(line["vendor_usd"] for line in lines)) is not None:
        yield short_usd(usd)


def sentences(document: UsageDocument) -> list[str]:
    """Return a sentence for each thing that disagrees or could not be checked, and what to do."""
    reconciliation = document["reconciliation"]
    disagreeing = [line for line in reconciliation["lines"] if line["class"] in _SENTENCES]
    said = [_SENTENCES[line["class"]](line, document) for line in disagreeing[:_MOST_SENTENCES]]
    if len(disagreeing) > _MOST_SENTENCES:
        said.append(f"… and {len(disagreeing) - _MOST_SENTENCES} more, all in usage.json")
    said += _totals_that_differ(reconciliation, document["run"])
    said += reconciliation["reasons"]
    said += reconciliation["remarks"]
    if reconciliation["verdict"] == "pending" or reconciliation["unread"]:
        said += _how_to_go_on(reconciliation, document["run"])
    return said


def _how_to_go_on(reconciliation: ReconciliationFigures, run: RunFigures) -> Iterator[str]:
    """The emulator's statement ends with it; the vendor's can be asked later."""
    if run["target"] not in ("emulator", "replay"):
        yield f"dgbudget reconcile {run['id']} says later what came of it"
    if reconciliation["verdict"] == "pending" and reconciliation["checked_at"] is not None:
        yield "to wait longer, raise --dg-reconcile-timeout"


def _totals_that_differ(reconciliation: ReconciliationFigures, run: RunFigures) -> Iterator[str]:
    totals = reconciliation["totals"]
    if totals is None:
        return
    hours, dollars = totals["hours"], totals["dollars"]
    differs = _total_of_keys_that_differs if totals["by"] == "key" else _total_that_differs
    if hours["verdict"] == "discrepancy":
        yield differs("hours", _time(hours["local_seconds"]), _time(hours["vendor_seconds"]), run)
    if dollars["verdict"] == "discrepancy":
        yield differs("dollars", _money(dollars["local_usd"]), _money(dollars["vendor_usd"]), run)
    if totals["drift"] is not None and totals["drift"]["seconds"] is not None:
        yield _that_drifts(totals["drift"], totals["drift"]["seconds"], run)
    yield from (_that_costs_otherwise(rate) for rate in totals["rates"] if rate["wrong"] and _is_named(rate))


def _that_drifts(drift: DriftFigures, drifted: float, run: RunFigures) -> str:
    mean, interval = drift["mean_seconds"], drift["interval_seconds"]
    assert mean is not None, "a drift has a mean"
    within = "" if interval is None else f" (99% interval: {interval[0]:+.2f}s to {interval[1]:+.2f}s)"
    return (
        f"drift: {drift['n']} sessions agree one by one, but together the statement has {_time(drifted)} "
        f"{drift['direction']} {DRIFT}; the mean difference is "
        f"{mean:+.2f}s a session{within}. Write to Deepgram support about the tag dgbudget-{run['id']}"
    )


def _that_costs_otherwise(rate: RateFigures) -> str:
    return (
        f"wrong rate: the statement has ${rate['vendor_usd_per_minute']:.4f} a minute for the tier {rate['tier']} "
        f"({rate['sessions']} sessions, {_time(rate['seconds'])}), [prices] has "
        f"${rate['expected_usd_per_minute']:.4f}. Is dgbudget.toml up to date? If it is, write to Deepgram support"
    )


def _is_named(rate: RateFigures) -> bool:
    return rate["expected_by"] == "prices"


def _total_that_differs(name: str, ours: str, theirs: str, run: RunFigures) -> str:
    return (
        f"the {name} under the tag dgbudget-{run['id']} are {theirs} in the statement, and {ours} according to the "
        "run's own sessions: look for the same --dg-run-id elsewhere, or write to Deepgram support about the tag"
    )


def _total_of_keys_that_differs(name: str, ours: str, theirs: str, run: RunFigures) -> str:
    return (
        f"the {name} under the keys made for run {run['id']} are {theirs} in the statement, and {ours} according to "
        "the run's own sessions: nobody but the gateway was given these keys (dg_run_key), so write to Deepgram "
        "support about them"
    )


def _time(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}s"


def _money(value: float | None) -> str:
    return "unknown" if value is None else short_usd(value)


def _duration(line: LineFigures, document: UsageDocument) -> str:
    ours, delta, tolerance = line["local_seconds"], line["delta_seconds"], document["reconciliation"]["tolerance"]
    if delta is None:
        return _unclear_duration(line)
    assert ours is not None, "a duration that differs is known"
    assert tolerance is not None, "what was compared was compared within a tolerance"
    within = Tolerance(ms=round(1000 * tolerance["seconds"]), share=tolerance["share"])
    return (
        f"{_request(line)}: the statement has {_time(line['vendor_seconds'])}, we metered {_time(ours)}; that is "
        f"{_time(abs(delta))} {'more' if delta > 0 else 'less'}, where --dg-tolerance allows "
        f"{_time(seconds(within.allowed_ms(round(1000 * ours))))}. Write to Deepgram support about this request id"
    )


def _unclear_duration(line: LineFigures) -> str:
    return (
        f"{_request(line)}: the statement has no duration, and {_time(line['elapsed_seconds'])} from creation to "
        f"completion; we metered {_time(line['local_seconds'])}, and the run's hours disagree as well. "
        "Write to Deepgram support about this request id"
    )


def _missing_at_vendor(line: LineFigures, document: UsageDocument) -> str:
    return (
        f"{_request(line)}: we metered {_time(line['local_seconds'])}, but it is not in the statement, although "
        f"dg_vendor_grace is over. Is --dg-project right ({document['reconciliation']['project']})? If it is, write to "
        "Deepgram support about this request id"
    )


def _missing_in_ledger(line: LineFigures, document: UsageDocument) -> str:
    foreign = line["foreign"]
    if foreign is not None and foreign["run_key"] is not None:
        return (
            f"{_request(line)}: the statement has it under the run's own key {foreign['run_key']} "
            f"({_of_foreign(line, foreign)}), but this run never opened it, although nobody but the gateway was given "
            "that key. Write to Deepgram support about this request id"
        )
    return (
        f"{_request(line)}: the statement has it under the tag dgbudget-{document['run']['id']} "
        f"({_of_foreign(line, foreign)}), but this run never opened it. Does something else use this --dg-run-id?"
    )


def _of_foreign(line: LineFigures, foreign: ForeignFigures | None) -> str:
    """Say how long it was, when it began, and where it came from, as far as its row has that."""
    said = [f"duration: {_time(line['vendor_seconds'])}"]
    if line["vendor_seconds"] is None and line["elapsed_seconds"] is not None:
        said.append(f"{_time(line['elapsed_seconds'])} from creation to completion")
    if foreign is not None and foreign["created_at"] is not None:
        said.append(f"begun {foreign['created_at']}")
    if foreign is not None and foreign["origin"] is not None:
        said.append(f"its row says {foreign['origin']}")
    return ", ".join(said)


def _duplicate(line: LineFigures, document: UsageDocument) -> str:
    return (
        f"{_request(line)}: the statement has several rows for it, and they differ (duration in total: "
        f"{_time(line['vendor_seconds'])}). Write to Deepgram support: was it billed more than once?"
    )


def _unconfirmed(line: LineFigures, document: UsageDocument) -> str:
    if line["unreadable_duration"] is not None:
        return (
            f"{_request(line)}: the statement's duration can't be read, it is {line['unreadable_duration']}; "
            f"we metered {_time(line['local_seconds'])}. Write to Deepgram support about this request id"
        )
    if line["local_seconds"] is not None:
        return f"{_request(line)}: we metered {_time(line['local_seconds'])}, but the vendor never sent a request id"
    if line["vendor_seconds"] is not None:
        return f"{_request(line)}: nobody here saw its end; the statement has {_time(line['vendor_seconds'])}"
    return f"{_request(line)}: nobody here saw its end, so everything set aside for it is charged"


_SENTENCES: Mapping[LineClass, Callable[[LineFigures, UsageDocument], str]] = {
    "duration": _duration,
    "missing-at-vendor": _missing_at_vendor,
    "missing-in-ledger": _missing_in_ledger,
    "duplicate": _duplicate,
    "unconfirmed": _unconfirmed,
}


def _request(line: LineFigures) -> str:
    test = f" ({line['nodeid']})" if line["nodeid"] is not None else ""
    # The id is the vendor's own text, and the terminal obeys what it prints.
    shown = "".join(each if each.isprintable() else "?" for each in line["request_id"] or "without an id")[:100]
    return f"request {shown}{test}"
