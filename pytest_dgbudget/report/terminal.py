"""The usage document in a terminal."""

from __future__ import annotations

from io import StringIO

from pytest_dgbudget.report.document import AttemptEntry, UsageDocument

_BAR_CELLS = 20


def table_of_tests(document: UsageDocument, *, width: int, color: bool) -> str:
    """Lay out one line per test attempt, fitted to ``width`` columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("test", overflow="ellipsis", no_wrap=True, ratio=1)
    for heading in ("used", "budget", "waited", "sessions", "verdict"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right", no_wrap=True)
    for test in document["tests"]:
        style = "red" if test["verdict"] == "overrun" else ""
        table.add_row(*(Text(cell, style=style) for cell in _cells(test)))
    output = StringIO()
    console = Console(
        file=output, width=max(width, 60), force_terminal=color, no_color=not color, highlight=False, soft_wrap=False
    )
    console.print(table)
    return output.getvalue()


def _cells(test: AttemptEntry) -> list[str]:
    name = test["nodeid"] if test["attempt"] == 1 else f"{test['nodeid']} (attempt {test['attempt']})"
    return [
        name,
        _shown(test["used_seconds"]),
        _shown(test["budget_seconds"]),
        _shown(test["waited_seconds"]) if test["waited_seconds"] >= 1 else "",
        str(test["sessions"]),
        _verdict(test),
    ]


def _verdict(test: AttemptEntry) -> str:
    if test["verdict"] == "within":
        return "within"
    how = "cut" if test["cut"] else "exceeded" if test["exceeded"] else "refused"
    return f"overrun, {how}"


def run_line(document: UsageDocument) -> str:
    """Return one line: what the run used of its budget, with a bar, and its verdict."""
    run = document["run"]
    used, budget = run["used_seconds"], run["budget_seconds"]
    of_budget = f" of {budget:.2f}s {_bar(used, budget)}" if budget is not None else ", no run budget"
    billed = "billed" if run["billed"] else f"{run['target']}, not billed"
    sessions = f"{run['sessions']} session{'' if run['sessions'] == 1 else 's'}"
    extras = "".join(
        f"; {seconds:.2f}s {what}"
        for seconds, what in (
            (run["at_risk_seconds"], "charged without having been seen"),
            (run["overshoot_seconds"], "beyond what was set aside"),
        )
        if seconds
    )
    return f"used {used:.2f}s{of_budget} in {sessions} ({billed}); verdict: {run['verdict']}{extras}"


def longest_wait(document: UsageDocument) -> str | None:
    """Return one line on the test that waited longest, and what to change; None where none waited a second."""
    longest = max(document["tests"], key=lambda test: float(test["waited_seconds"]), default=None)
    if longest is None or longest["waited_seconds"] < 1:
        return None
    return (
        f"{longest['nodeid']} waited {longest['waited_seconds']:.1f}s, unbilled, for budget or a free place: "
        "raise --dg-budget or --dg-max-sessions, lower --dg-test-budget, or run fewer workers"
    )


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}s"


def _bar(used: float, budget: float) -> str:
    share = min(1.0, used / budget) if budget else 1.0
    full = round(share * _BAR_CELLS)
    return f"[{'#' * full}{'.' * (_BAR_CELLS - full)}] {share:.0%}"
