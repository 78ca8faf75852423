"""A run as CSV: a line for each attempt of a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pytest_dgbudget.report.csv_text import Cell, csv_text
from pytest_dgbudget.report.document import UsageDocument

# Named as in usage.json. Programs read them: add to their end, rename none.
COLUMNS = (
    *("run", "nodeid", "attempt", "target", "outcome", "verdict", "overrun_scope"),
    *("used_seconds", "budget_seconds", "waited_seconds", "forecast_seconds"),
    *("cost_usd", "estimated", "vendor_usd", "cost_budget_usd", "forecast_usd"),
    *("sessions", "refused", "turns", "latency_p50_ms", "latency_p95_ms"),
    *("replayed", "saved_seconds", "saved_usd"),
)


def run_csv(document: UsageDocument) -> str:
    """Return the attempts in the order in which they began."""
    run = document["run"]["id"]
    return csv_text(COLUMNS, ({**_cells(test), "run": run} for test in document["tests"]))


def _cells(test: Mapping[str, object]) -> Mapping[str, Cell]:
    overrun = cast("Mapping[str, str] | None", test.get("overrun"))
    cells = {name: cast(Cell, test.get(name)) for name in COLUMNS}
    return {**cells, "overrun_scope": None if overrun is None else overrun["scope"]}
