"""The tests: what each used of its budget, cost and waited, and how fast it was answered."""

from __future__ import annotations

from posixpath import basename
from typing import cast

from pytest_dgbudget.report.dearest import by_dearness
from pytest_dgbudget.report.document import AttemptEntry, MergedDocument, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.bars import Amounts, bar
from pytest_dgbudget.report.html.elements import Child, Markup, element, name_of, relative_url, several, together
from pytest_dgbudget.report.html.latencies import LATENCY_COLUMNS, about_latencies, latency_cells
from pytest_dgbudget.report.html.parts import (
    Cell,
    Column,
    Row,
    Tone,
    badge,
    dash,
    muted,
    named,
    paragraph,
    section,
    table,
)
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.overrun_effect import excuse_of
from pytest_dgbudget.report.overrun_words import overrun_phrase
from pytest_dgbudget.report.run_line import differs_live, exceeds_live
from pytest_dgbudget.report.table_cells import cost_line, is_of_vendor
from pytest_dgbudget.rules.waits import what_was_awaited

_BAR_HEIGHT = 8
_OUTCOMES: dict[str | None, Tone] = {"passed": "good", "failed": "bad", "error": "bad", "xpassed": "warn"}
_COLUMNS = (
    Column("Test"),
    Column("Outcome"),
    Column("Verdict"),
    Column("Used of budget", True, "Connection time that was charged, of the test's budget for this attempt"),
    Column("Cost", True, "By the statement once the run is reconciled, else at our prices; ~ is an estimate"),
    Column("Live", True, "What live sessions would take and cost"),
    Column("Saved", True, "What sessions that cassettes played would take and cost live"),
    Column("Waited", True, "Unbilled, before its first session"),
    *LATENCY_COLUMNS,
    Column("Sessions", True, "Those that opened; below, those that a budget refused"),
)


def tests_section(document: UsageDocument) -> Markup:
    """Return the table of tests, the dearest first."""
    tests = by_dearness(document["tests"])
    if not tests:
        return section("tests", "Tests", paragraph("No test asked for a session."))
    rows = [_row(test, document) for test in tests]
    caption = "What each test used, the dearest first"
    made = table("tests-table", caption, _COLUMNS, rows)
    return section("tests", "Tests", _filters(), made, muted(*_notes(document)))


def _filters() -> Markup:
    """Return what usage.js makes a filter of; without it nothing is shown."""
    return element(
        "form",
        element("label", "Find a test ", element("input", type="search", id="find", autocomplete="off")),
        _choice("overrun", "Only overruns"),
        _choice("failed", "Only failed"),
        element("output", role="status", id="shown"),
        id="filters",
        hidden=True,
        data_filters="tests-table",
    )


def _choice(name: str, words: str) -> Markup:
    return element("label", element("input", type="checkbox", name=name), f" {words}")


def _notes(document: UsageDocument) -> list[Child]:
    costs = cost_line(document)
    marks = None if costs is None else f"{sentence(costs)} "
    return [f"{figures.UNKNOWN} is unknown. ", marks, about_latencies(document)]


def _row(test: AttemptEntry, document: UsageDocument) -> Row:
    cells = (
        Cell(_name(test, document)),
        Cell(badge(_OUTCOMES.get(test["outcome"], "note"), test["outcome"] or "unknown")),
        Cell(_verdict(test)),
        Cell(_used(test), test["used_seconds"]),
        Cell(*_cost(test, document)),
        Cell(_live(test), test["forecast_seconds"] if differs_live(test) else None),
        Cell(_saved(test), test.get("saved_seconds")),
        _waited(test),
        *latency_cells(test),
        _sessions(test),
    )
    failed = test["outcome"] in ("failed", "error")
    return Row(cells, {"data_overrun": test["verdict"] == "overrun", "data_failed": failed})


def _name(test: AttemptEntry, document: UsageDocument) -> Markup:
    notes = [f"attempt {test['attempt']}"] if test["attempt"] > 1 else []
    notes += [test["target"]] if test["target"] != document["run"]["target"] else []
    shards = cast(MergedDocument, document).get("shards")
    notes += [] if shards is None else [f"run {shards[test['shard']]['run']['id']}"]
    overrun = element("div", overrun_phrase(test), class_="muted") if test["verdict"] == "overrun" else None
    return together(named(test["nodeid"], *notes), overrun, _files(test, document))


def _verdict(test: AttemptEntry) -> Markup:
    if test["verdict"] == "overrun":
        excuse = excuse_of(test)
        return badge("bad", "overrun") if excuse is None else badge("warn", f"overrun, {excuse}")
    if exceeds_live(test):
        return together(badge("good", "within"), element("div", "live over budget", class_="muted"))
    return badge("good", "within")


def _used(test: AttemptEntry) -> Markup:
    used, allowed = test["used_seconds"], test["budget_seconds"]
    of = "no budget of its own" if allowed is None else f"of {figures.time(allowed)}"
    of_money = test.get("cost_budget_usd")  # which reports of earlier versions lack
    money = "" if of_money is None else f", {figures.exact_money(of_money)}"
    said = element("div", dash(figures.time(used)), element("span", f" {of}{money}", class_="muted"))
    if used is None or allowed is None:
        return said
    live = test["forecast_seconds"] if differs_live(test) else None
    drawn = bar(Amounts(used, allowed, live=live), f"{figures.share(used, allowed)} of the budget", _BAR_HEIGHT)
    return together(said, drawn)


def _cost(test: AttemptEntry, document: UsageDocument) -> tuple[Child, float | None]:
    if is_of_vendor(test, document):
        of_vendor = test["vendor_usd"]
        return together(element("span", "vendor ", class_="muted"), figures.money(of_vendor)), of_vendor
    return dash(figures.own_cost(test)), test["cost_usd"]


def _live(test: AttemptEntry) -> Child:
    return _amounts(test["forecast_seconds"], test["forecast_usd"]) if differs_live(test) else None


def _saved(test: AttemptEntry) -> Child:
    """Reports of earlier versions have no replays."""
    return _amounts(test.get("saved_seconds"), test.get("saved_usd")) if test.get("replayed") else None


def _amounts(seconds: float | None, dollars: float | None) -> Markup:
    return together(figures.time(seconds), element("div", figures.money(dollars), class_="muted"))


def _waited(test: AttemptEntry) -> Cell:
    waited = test["waited_seconds"]
    if not waited:
        return Cell(None, waited)
    what, _, _whose = what_was_awaited(test.get("waited_for")).partition(",")
    awaited = element("div", f"for {what}", class_="muted")
    return Cell(together(figures.time(waited), awaited), waited)


def _sessions(test: AttemptEntry) -> Cell:
    refused = element("div", f"{test['refused']:,} refused", class_="muted") if test["refused"] else None
    return Cell(together(f"{test['sessions']:,}", refused), test["sessions"])


def _files(test: AttemptEntry, document: UsageDocument) -> Markup | None:
    """Return links to what is kept of the attempt; of a merged report, paths below the folders of its runs."""
    paths = test.get("artifacts", ())
    if not paths:
        return None
    if "shards" in document:
        return element("div", several(map(name_of, paths), element("br")))
    links = [element("a", basename(path) or path, href=relative_url(path)) for path in paths]
    return element("div", several(links, ", "))
