"""What came of runs that were compared later, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_dgbudget.cli.later_runs import LaterResult
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.reconciliation import reconciliation_lines


def lines_of(result: LaterResult, report_dir: Path) -> Iterator[str]:
    """Yield what the run was and is, what disagrees or could not be checked, and where the result is."""
    document = usage_document(result.after)
    name = f"{result.after.id} ({result.after.target})"
    if result.why_left is not None:
        yield f"{name}: left as it is, {_called(result.verdict)}: {result.why_left}"
        return
    yield f"{name}: was {_called(result.was)}, is {_called(result.verdict)}"
    yield from (f"  {line}" for line in _details(result, document, report_dir))


def lines_of_left(left: Sequence[LaterResult]) -> Iterator[str]:
    """Yield one line for each reason why runs stay pending."""
    runs_by_reason: dict[str, list[str]] = {}
    for each in left:
        runs_by_reason.setdefault(each.why_left or "", []).append(each.after.id)
    for why_left, runs in runs_by_reason.items():
        yield f"{', '.join(runs)}: left as it is, pending: {why_left}"


def entry_of(result: LaterResult) -> dict[str, Any]:
    """Return a result for programs to read; ``reconciliation`` is as usage.json has it."""
    document = usage_document(result.after)
    return {
        "run": result.after.id,
        "target": result.after.target,
        "was": result.was,
        "verdict": result.verdict,
        "why_left": result.why_left,
        "used_seconds": document["run"]["used_seconds"],
        "report": None if result.report is None else str(result.report),
        "reconciliation": document["reconciliation"],
    }


def _details(result: LaterResult, document: UsageDocument, report_dir: Path) -> Iterator[str]:
    yield from reconciliation_lines(document)
    used, before = document["run"]["used_seconds"], usage_document(result.before)["run"]["used_seconds"]
    if used != before:
        yield f"used {used:.2f}s, was {before:.2f}s: the statement has what nobody here saw"
    yield _where(result, shown_path(report_dir, Path.cwd()))


def _where(result: LaterResult, folder: str) -> str:
    if result.report is not None:
        return "; ".join([f"report: {shown_path(result.report, Path.cwd())} was written anew", *result.not_rendered])
    if result.report_problem is not None:
        return f"its report can't be written to {folder}: {result.report_problem}; the result is in the ledger"
    return f"its report is not in {folder} (any more): the result is in the ledger"


def _called(verdict: str | None) -> str:
    return "not compared" if verdict is None else verdict
