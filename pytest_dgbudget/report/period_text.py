"""What all runs of a period have spent, for people: totals, days, tiers, the dearest tests and runs; and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_dgbudget.report.csv_text import Cell, csv_text
from pytest_dgbudget.report.period_document import (
    DayFigures,
    PeriodDocument,
    PeriodRunFigures,
    PreviousFigures,
    ReplaysFigures,
    TargetFigures,
    WindowFigures,
)
from pytest_dgbudget.report.short_names import shortened
from pytest_dgbudget.report.shown import AT_RISK, shown_usd
from pytest_dgbudget.report.spending_figures import (
    TIME_IS_COMPARED,
    SpendingFigures,
    cost_text,
    difference,
    listed_reasons,
    said_of_reasons,
)
from pytest_dgbudget.report.table_cells import ABOUT_ESTIMATES
from pytest_dgbudget.report.text_table import Block, TextTable, markdown_of, text_of
from pytest_dgbudget.units import counted, format_time

COLUMNS = (
    *("what", "target", "name", "sessions", "seconds", "cost_usd", "known_usd", "at_risk_seconds", "vendor_usd"),
    *("share", "verdict", "reconciliation", "estimated", "saved_seconds", "saved_usd"),
)
_BAR_CELLS = 20
_LONGEST_NAME = 64
_FIGURES = ("sessions", "used", "cost", "vendor")


def period_blocks(document: PeriodDocument) -> Iterator[Block]:
    """Yield the tables and lines of a period, one target after the other."""
    yield [f"from {document['since'][:16]} until {document['before'][:16]} (UTC)"]
    if not document["targets"] and not document["replays"]["sessions"]:
        yield ["no run of the ledger has opened a session in this period, nor in the one before it"]
    for target in document["targets"]:
        yield from _target_blocks(target)
    if document["replays"]["sessions"]:
        yield [_replays_line(document["replays"])]
    if document["windows"]:
        yield [*map(_window_line, document["windows"])]
    if any(map(_has_estimates, document["targets"])):
        yield [ABOUT_ESTIMATES]


def period_csv(document: PeriodDocument) -> str:
    """Return a line for each total, day, tier, test and run that the document lists, and one for what replays saved."""
    rows = [row for target in document["targets"] for row in _csv_rows(target)]
    return csv_text(COLUMNS, [*rows, *_csv_replays(document["replays"])])


def _target_blocks(target: TargetFigures) -> Iterator[Block]:
    yield [*_total_lines(target), *_previous_lines(target["previous"])]
    if target["days"]:
        yield _days(target["days"])
        tiers = [(each["tier"] or "not known", *_figures(each)[:-1]) for each in target["tiers"]]
        yield TextTable("by tier, as metered", ("tier", *_FIGURES[:-1]), tiers)
    if target["tests"]:
        title = f"dearest tests{_of(len(target['tests']), target['tests_in_all'])}"
        rows = [(each["nodeid"], *_figures(each), _percent(each["share"])) for each in target["tests"]]
        yield TextTable(title, ("test", *_FIGURES, "share"), rows)
    if target["runs"]:
        title = f"dearest runs{_of(len(target['runs']), target['runs_in_all'])}"
        yield TextTable(title, _RUN_HEADINGS, [*map(_run_row, target["runs"])], frozenset({"verdict", "reconciled"}))


_RUN_HEADINGS = ("run", "day", "used", "cost", "share", "verdict", "reconciled")


def _run_row(run: PeriodRunFigures) -> Sequence[str]:
    judged = ("archived", "-") if run["archived"] else (run["verdict"] or "-", run["reconciliation"] or "-")
    return (run["id"], run["day"], _time(run["seconds"]), cost_text(run), _percent(run["share"]), *judged)


def _total_lines(target: TargetFigures) -> Iterator[str]:
    spent = target["spending"]
    billed = "billed" if target["billed"] else "not billed: what it would be live"
    yield (
        f"{target['target']} ({billed}): {_amounts(spent)} in {counted(spent['sessions'], 'session')} of "
        f"{counted(target['runs_in_all'], 'run')}"
    )
    if spent["vendor_usd"] is not None and target["billed"]:
        yield f"  by the vendor's statement: {shown_usd(spent['vendor_usd'])}"
    if target["under_way"]:
        runs = "1 run is" if target["under_way"] == 1 else f"{target['under_way']:,} runs are"
        yield f"  {runs} still going on: {_time(target['set_aside_seconds'])} of it is set aside by their open sessions"
    if at_risk := max(0.0, round(spent["at_risk_seconds"] - target["set_aside_seconds"], 3)):
        yield f"  {_time(at_risk)} of it is {AT_RISK}"
    if target["archived"] is not None:
        archived = target["archived"]
        yield (
            f"  {_amounts(archived)} of it, in {counted(archived['sessions'], 'session')} of "
            f"{counted(target['archived_runs'], 'run')}, is archived: its tests and tiers are not listed"
        )


def _previous_lines(previous: PreviousFigures) -> Iterator[str]:
    if not previous["runs"]:
        yield f"  the period before it, from {previous['since'][:10]} on, has nothing in the ledger"
        return
    if previous["delta_usd"] is None:
        yield f"  {TIME_IS_COMPARED}"
    delta = difference(previous["delta_seconds"], previous["delta_usd"])
    change = "" if previous["change"] is None else f" ({previous['change']:+.0%})"
    of_which = ", of which:" if previous["reasons"] else ""
    yield f"  {delta}{change} against {_amounts(previous['spending'])} in the period before it{of_which}"
    listed = listed_reasons(previous["reasons"])
    for reason, line in zip(listed, said_of_reasons(listed), strict=True):
        yield f"    {line}"
        if reason["mostly"] is not None:
            (name,) = shortened([reason["mostly"]], _LONGEST_NAME)
            yield f"      {'that is' if reason['tests'] == 1 else 'mostly'} {name}"


def _has_estimates(target: TargetFigures) -> bool:
    listed = [*target["days"], *target["tests"], *target["tiers"]]
    return any(each["estimated"] for each in (target["spending"], target["previous"]["spending"], *listed))


def _days(days: Sequence[DayFigures]) -> TextTable:
    in_money = any(day["known_usd"] for day in days)
    amounts = [day["known_usd"] if in_money else day["seconds"] for day in days]
    most = max(amounts)
    rows = [
        (day["day"], *_figures(day), "#" * round(_BAR_CELLS * amount / most) if most else "")
        for day, amount in zip(days, amounts, strict=True)
    ]
    return TextTable("by day (UTC)", ("day", *_FIGURES, ""), rows, frozenset({""}))


def _figures(spent: SpendingFigures) -> tuple[str, str, str, str]:
    return (
        f"{spent['sessions']:,}",
        _time(spent["seconds"]),
        cost_text(spent),
        shown_usd(spent["vendor_usd"]),
    )


def _time(seconds: float) -> str:
    return format_time(round(1000 * seconds))


def _amounts(spent: SpendingFigures) -> str:
    return f"{cost_text(spent)}, {_time(spent['seconds'])}"


def _replays_line(replays: ReplaysFigures) -> str:
    sessions, runs = counted(replays["sessions"], "session"), counted(replays["runs"], "run")
    saved = f"{_time(replays['saved_seconds'])} and {shown_usd(replays['saved_usd'])}"
    return f"replayed {sessions} of {runs} from cassettes, not billed: saved {saved}"


def _window_line(window: WindowFigures) -> str:
    shown = _time if window["currency"] == "time" else shown_usd
    share = f" ({window['used'] / window['allowed']:.0%})" if window["allowed"] else ""
    now = "today" if window["period"] == "day" else "this month"
    return f"window of a {window['period']}: {shown(window['used'])} of {shown(window['allowed'])} is used {now}{share}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _of(shown: int, there_are: int) -> str:
    return f" ({shown:,} of {there_are:,})" if shown < there_are else ""


def _csv_rows(target: TargetFigures) -> Iterator[dict[str, Cell]]:
    yield _csv_row("total", target["target"], None, target["spending"])
    for day in target["days"]:
        yield _csv_row("day", target["target"], day["day"], day)
    for tier in target["tiers"]:
        yield _csv_row("tier", target["target"], tier["tier"], tier)
    for test in target["tests"]:
        yield {**_csv_row("test", target["target"], test["nodeid"], test), "share": test["share"]}
    for run in target["runs"]:
        judged = {"share": run["share"], "verdict": run["verdict"], "reconciliation": run["reconciliation"]}
        yield {**_csv_row("run", target["target"], run["id"], run), **judged}


def _csv_replays(replays: ReplaysFigures) -> Iterator[dict[str, Cell]]:
    if replays["sessions"]:
        known: dict[str, Cell] = {"what": "replays", "target": "replay", "sessions": replays["sessions"]}
        saved = {"saved_seconds": replays["saved_seconds"], "saved_usd": replays["saved_usd"]}
        yield {**dict.fromkeys(COLUMNS), **known, **saved}


def _csv_row(what: str, target: str, name: str | None, spent: SpendingFigures) -> dict[str, Cell]:
    return {
        "what": what,
        "target": target,
        "name": name,
        "sessions": spent["sessions"],
        "seconds": spent["seconds"],
        "cost_usd": spent["cost_usd"],
        "known_usd": spent["known_usd"],
        "at_risk_seconds": spent["at_risk_seconds"],
        "vendor_usd": spent["vendor_usd"],
        "share": None,
        "verdict": None,
        "reconciliation": None,
        "estimated": spent["estimated"],
        "saved_seconds": None,
        "saved_usd": None,
    }


def period_text(document: PeriodDocument, *, width: int, color: bool) -> Iterator[str]:
    """Yield the lines for a terminal."""
    return text_of(period_blocks(document), width)


def period_markdown(document: PeriodDocument) -> str:
    """Return the same as Markdown."""
    return markdown_of(period_blocks(document))
