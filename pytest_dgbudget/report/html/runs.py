"""The runs of a merged report, each by itself."""

from __future__ import annotations

from pytest_dgbudget.report.document import RunFigures, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.elements import Markup, name_of
from pytest_dgbudget.report.html.parts import Cell, Column, Row, badge, dash, section, table
from pytest_dgbudget.report.html.verdict import title_of
from pytest_dgbudget.report.shards import shards_in

_COLUMNS = (
    Column("Run"),
    Column("Begun"),
    Column("Verdict"),
    Column("Used", True),
    Column("Budget", True),
    Column("Sessions", True),
    Column("Cost", True),
    Column("Reconciliation"),
)


def runs_section(document: UsageDocument) -> Markup | None:
    """Return the runs that were merged; None for a report of one run."""
    if "shards" not in document:
        return None
    rows = [_row(shard.document) for shard in shards_in("", document)]
    return section("runs", "Runs", table("runs-table", "The runs in this report", _COLUMNS, rows))


def _budget(run: RunFigures) -> str:
    of_time, of_money = run["budget_seconds"], run.get("cost_budget_usd")  # which reports of earlier versions lack
    budgets = [] if of_time is None else [figures.time(of_time)]
    budgets += [] if of_money is None else [figures.exact_money(of_money)]
    return ", ".join(budgets) or "none"


def _row(document: UsageDocument) -> Row:
    run = document["run"]
    return Row(
        (
            Cell(name_of(run["id"])),
            Cell(figures.instant(run["started_at"])),
            Cell(badge(*title_of(document))),
            Cell(figures.time(run["used_seconds"]), run["used_seconds"]),
            Cell(_budget(run), run["budget_seconds"]),
            Cell(f"{run['sessions']:,}", run["sessions"]),
            Cell(dash(figures.own_cost(run)), run["cost_usd"]),
            Cell(document["reconciliation"]["verdict"]),
        )
    )
