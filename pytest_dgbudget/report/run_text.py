"""A run in a terminal, as far as its document has what was said at its end."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.plain_text import no_command, with_harmless_texts
from pytest_dgbudget.report.reconciliation import reconciliation_lines
from pytest_dgbudget.report.regression import regression_lines
from pytest_dgbudget.report.run_line import run_line, unused_line
from pytest_dgbudget.report.run_remarks import no_session_line, remark_lines
from pytest_dgbudget.report.table_cells import cost_line, latency_line
from pytest_dgbudget.report.tests_table import table_of_tests


def run_text(document: UsageDocument, *, width: int, color: bool) -> Iterator[str]:
    """Yield what a run shows at its end, and before that which one it was; whatever it holds is harmless."""
    return map(no_command, _lines(with_harmless_texts(document), width=width, color=color))


def _lines(shown: UsageDocument, *, width: int, color: bool) -> Iterator[str]:
    run = shown["run"]
    no_end = "now, still going on" if run.get("under_way") else "an end that nobody noted"
    yield f"run {run['id']}, {run['started_at']} to {run['finished_at'] or no_end}"
    unused = unused_line(shown)
    if unused is not None:
        yield unused
    else:
        yield from _what_was_used(shown, width=width, color=color)
    yield from (each["text"] for each in shown["warnings"])
    yield from regression_lines(shown)
    yield from remark_lines(shown)
    yield from filter(None, [no_session_line(shown)])
    yield from reconciliation_lines(shown)
    yield from shown["notices"]


def _what_was_used(document: UsageDocument, *, width: int, color: bool) -> Iterator[str]:
    if document["tests"]:
        yield from table_of_tests(document, width=width, color=color).splitlines()
        yield from filter(None, (cost_line(document), latency_line(document)))
    yield run_line(document)
