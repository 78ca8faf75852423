"""The page of a support bundle: what happened in a run, in plain words, for readers who do not know this program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_dgbudget.report.document import RunFigures, SessionFigures, UsageDocument
from pytest_dgbudget.report.reconciliation_figures import LineFigures, RateFigures, ReconciliationFigures, TotalFigures
from pytest_dgbudget.report.support_sessions import printable
from pytest_dgbudget.rules.verdicts import AGREEING
from pytest_dgbudget.rules.wording import DRIFT, MEANING
from pytest_dgbudget.units import counted, known_sum, short_usd

_MOST_LINES = 100
_WIDTH = len("compared by:  ")

_INTRODUCTION = """\
For Deepgram support

pytest-dgbudget meters the Voice Agent sessions of a test suite: each from the moment it is dialled to the moment when
our socket is closed. Here are its figures of one run, and those of the project's statement as far as they have been
read. All times are UTC. sessions.csv has a line for each session, by request id.
"""

_ROW_TIMES_DIFFER = (
    "its row has no duration; the time from its creation to its completion is not what we metered, and the run's hours "
    "differ as well"
)


def support_page(document: UsageDocument, tag: str) -> str:
    """Return the page. ``document`` has the sessions of the run's own target, and no others."""
    facts = [f"{name + ':':<{_WIDTH}}{value}" for name, value in _facts(document, tag)]
    return "\n".join([_INTRODUCTION, *facts, "", *_what_differs(document["reconciliation"]), ""])


def period_of(document: UsageDocument) -> tuple[str, str | None]:
    """Return when the run's first session was opened, and when the last one was closed; None: nobody saw that."""
    sessions, run = document["sessions"], document["run"]
    if not sessions:
        return run["started_at"], run["finished_at"]
    closed = [session["closed_at"] for session in sessions]
    known = [at for at in closed if at is not None]
    return min(session["opened_at"] for session in sessions), max(known) if len(known) == len(closed) else None


def _facts(document: UsageDocument, tag: str) -> Iterator[tuple[str, str]]:
    run, sessions, reconciliation = document["run"], document["sessions"], document["reconciliation"]
    first, last = period_of(document)
    yield "run", run["id"]
    yield "tag", f"{tag} (in the Settings of each session)"
    if run["keys"]:
        yield "own keys", f"{', '.join(key['id'] for key in run['keys'])} (made for this run alone, to dial with)"
    yield "project", reconciliation["project"] or "unknown"
    yield "target", _target(run)
    yield "period", f"{first} to {last or 'unknown'}"
    yield "sessions", _count(sessions)
    yield "metered", f"{_time(_sum_of_seconds(sessions))}, {_money(known_sum(s['cost_usd'] for s in sessions))}"
    yield "statement", _statement(reconciliation)
    if reconciliation["totals"] is not None and reconciliation["checked_at"] is not None:
        yield "compared by", _under(reconciliation["totals"])


def _target(run: RunFigures) -> str:
    if run["billed"]:
        return f"{run['target']}, billed"
    return f"{run['target']}: nothing of this run was billed, and Deepgram knows nothing of it"


def _count(sessions: Sequence[SessionFigures]) -> str:
    opened = sum(session["handshake_seconds"] is not None for session in sessions)
    failed = len(sessions) - opened
    return f"{opened} opened" + (f", and {failed} dials that did not open" if failed else "")


def _sum_of_seconds(sessions: Sequence[SessionFigures]) -> float | None:
    return known_sum(session["seconds"] for session in sessions)


def _statement(reconciliation: ReconciliationFigures) -> str:
    if reconciliation["checked_at"] is None:
        return "not compared"
    usd = known_sum(line["vendor_usd"] for line in reconciliation["lines"])
    figures = ", ".join([*_stated_times(reconciliation), _money(usd)])
    return f"{figures}; read at {reconciliation['checked_at']}: {reconciliation['verdict']}"


def _stated_times(reconciliation: ReconciliationFigures) -> Iterator[str]:
    """Yield the sum of durations; where rows have none, what their times and the run's hours say instead."""
    lines, totals = reconciliation["lines"], reconciliation["totals"]
    stated = known_sum(line["vendor_seconds"] for line in lines)
    if stated is not None:
        yield _time(stated)
        return
    yield "durations unknown"
    elapsed = [line["elapsed_seconds"] for line in lines if line["elapsed_seconds"] is not None]
    if elapsed:
        yield f"{_time(sum(elapsed))} from creation to completion of {counted(len(elapsed), 'row')}"
    if totals is not None and totals["hours"]["vendor_seconds"] is not None:
        yield f"{_time(totals['hours']['vendor_seconds'])} of agent hours under the {_under(totals)}"


def _under(totals: TotalFigures) -> str:
    return "run's own keys" if totals["by"] == "key" else "tag"


def _what_differs(reconciliation: ReconciliationFigures) -> Iterator[str]:
    yield "What differs"
    yield ""
    differing = [line for line in reconciliation["lines"] if line["class"] not in AGREEING]
    said = [*map(_difference, differing[:_MOST_LINES]), *_totals_that_differ(reconciliation)]
    yield from said or [_nothing_differs(reconciliation)]
    if len(differing) > _MOST_LINES:
        yield f"- and {len(differing) - _MOST_LINES} more requests, all in sessions.csv"


def _nothing_differs(reconciliation: ReconciliationFigures) -> str:
    if reconciliation["checked_at"] is None:
        return "Nothing is known: this run has not been compared with the statement."
    lines = reconciliation["lines"]
    silent = sum(line["vendor_seconds"] is None for line in lines)
    if reconciliation["verdict"] == "reconciled" and silent:
        return f"Nothing is known to differ; {silent} of {len(lines)} rows have no duration."
    if reconciliation["verdict"] == "reconciled":
        return "Nothing: each session agrees with the statement within the tolerance."
    return "Of single sessions nothing is known to differ; the statement could not be read completely."


def _difference(line: LineFigures) -> str:
    request = "a session without a request id" if line["request_id"] is None else printable(line["request_id"])
    figures = [f"metered {_time(line['local_seconds'])}", *_stated(line)]
    if line["delta_seconds"] is not None:
        figures.append(f"difference {line['delta_seconds']:+.2f} s")
    figures.append(_money(line["vendor_usd"]))
    return f"- {request}: {_in_words(line)} ({', '.join(figures)})"


def _stated(line: LineFigures) -> Iterator[str]:
    if line["vendor_seconds"] is not None or line["elapsed_seconds"] is None:
        yield f"statement {_time(line['vendor_seconds'])}"
    else:
        yield f"statement has no duration, {_time(line['elapsed_seconds'])} from its creation to its completion"
    if line["foreign"] is not None and line["foreign"]["created_at"] is not None:
        yield f"begun {line['foreign']['created_at']}"


def _in_words(line: LineFigures) -> str:
    if line["class"] == "duration" and line["vendor_seconds"] is None:
        return _ROW_TIMES_DIFFER
    return MEANING.get(line["class"], line["class"])


def _totals_that_differ(reconciliation: ReconciliationFigures) -> Iterator[str]:
    totals = reconciliation["totals"]
    if totals is None:
        return
    hours, dollars, drift = totals["hours"], totals["dollars"], totals["drift"]
    if hours["verdict"] == "discrepancy":
        ours, theirs = _time(hours["local_seconds"]), _time(hours["vendor_seconds"])
        yield f"- agent hours under the {_under(totals)}: metered {ours}, statement {theirs}"
    if dollars["verdict"] == "discrepancy":
        ours, theirs = _money(dollars["local_usd"]), _money(dollars["vendor_usd"])
        yield f"- dollars under the {_under(totals)}: metered {ours}, statement {theirs}"
    if drift is not None and drift["seconds"] is not None:
        yield (
            f"- drift: {drift['n']} sessions agree one by one; together, the statement has {_time(drift['seconds'])} "
            f"{drift['direction']} {DRIFT}"
        )
    yield from (_rate(rate) for rate in totals["rates"] if rate["wrong"])


def _rate(rate: RateFigures) -> str:
    theirs, ours = (_money(rate[name]) for name in ("vendor_usd_per_minute", "expected_usd_per_minute"))
    return (
        f"- rate: a minute of the tier {rate['tier']} is {theirs} in the statement ({rate['sessions']} sessions, "
        f"{_time(rate['seconds'])}), and {ours} was expected"
    )


def _time(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} s"


def _money(value: float | None) -> str:
    return "dollars unknown" if value is None else short_usd(value)
