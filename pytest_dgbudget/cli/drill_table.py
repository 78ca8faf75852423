"""How the results of drills are shown: while they come, and as a table at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_dgbudget.drill.results import DrillResult, worst_of
from pytest_dgbudget.units import seconds, usd

_STYLES = {"held": "green", "leaked": "bold red", "skipped": "yellow", "failed": "bold red"}
_UNKNOWN = "-"


def shown_progress(results: Iterable[DrillResult], count: int) -> Iterator[DrillResult]:
    """Yield the results, with a bar on stderr while they come; where that is no terminal, without."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drills", total=count)
        for result in results:
            progress.update(task, advance=1, description=f"{result.name}: {result.outcome}")
            yield result


def table_of(results: Sequence[DrillResult]) -> list[str]:
    """Return the lines of the table, why something was not measured, and the worst leak."""
    from rich.console import Console
    from rich.table import Table

    table = Table("drill", "result", box=None, pad_edge=False)
    for heading in ("leak", "costs at most", "late"):
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(result.name, f"[{_STYLES[result.outcome]}]{result.outcome}[/]", *_figures(result))
    console = Console(highlight=False)
    with console.capture() as drawn:
        console.print(table)
    return [*drawn.get().splitlines(), *_reasons(results), closing_line(results)]


def _reasons(results: Sequence[DrillResult]) -> Iterator[str]:
    for result in results:
        if result.why is not None:
            yield f"{result.name} {result.outcome}: {result.why}"
        if result.outcome == "failed":
            yield f"try it by itself: dgbudget drill --only {result.name}"


def _figures(result: DrillResult) -> tuple[str, str, str]:
    micro_usd = result.leak_micro_usd
    return (
        _UNKNOWN if result.leak_ms is None else f"{seconds(result.leak_ms):.3f} s",
        _UNKNOWN if micro_usd is None else f"${usd(micro_usd):.6f}",
        _UNKNOWN if result.lateness_ms is None else f"{result.lateness_ms} ms",
    )


def closing_line(results: Sequence[DrillResult]) -> str:
    """Return the worst leak, and how many drills came out how."""
    outcomes = [result.outcome for result in results]
    counts = ", ".join(f"{outcomes.count(each)} {each}" for each in _STYLES if each in outcomes)
    worst = worst_of(results)
    if worst is None:
        return f"nothing was measured: {counts}"
    leaked, cost, _ = _figures(worst)
    return f"worst leak: {leaked} ({cost}), {worst.name}; {counts}"
