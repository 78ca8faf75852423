"""A merged document in a terminal: its tests, a line for each run, and one for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pytest_dgbudget.report.document import AttemptEntry, MergedDocument, UsageDocument
from pytest_dgbudget.report.merged_reconciliation import merged_lines
from pytest_dgbudget.report.plain_text import harmless_line
from pytest_dgbudget.report.run_line import run_line, unused_line
from pytest_dgbudget.report.run_remarks import no_session_line, remark_lines
from pytest_dgbudget.report.shards import shards_in
from pytest_dgbudget.report.tests_table import table_of_tests


def merged_text(document: MergedDocument, *, width: int, color: bool) -> Iterator[str]:
    """Yield what a run shows at its end, of all shards together, and before that a line for each of them."""
    if document["tests"]:
        yield from table_of_tests(told_apart(document), width=width, color=color).splitlines()
    yield from map(harmless_line, _lines(document))


def _lines(document: MergedDocument) -> Iterator[str]:
    shards = shards_in("", document)
    for shard in shards:
        yield f"{shard.run_id}: {_summary(shard.document)}"
    if len(shards) > 1:
        yield f"{len(shards)} runs together: {_summary(document)}"
    yield from remark_lines(document)
    yield from filter(None, [no_session_line(document)])
    yield from merged_lines(document)
    yield from (each["text"] for each in document["warnings"])
    yield from document["notices"]


def _summary(document: UsageDocument) -> str:
    return unused_line(document) or run_line(document)


def told_apart(document: MergedDocument) -> MergedDocument:
    """Return it with a run's id beside each test that several of them ran."""
    ran_in: dict[tuple[str, int], set[int]] = defaultdict(set)
    for test in document["tests"]:
        ran_in[test["nodeid"], test["attempt"]].add(test["shard"])

    def named(test: AttemptEntry) -> AttemptEntry:
        is_one = len(ran_in[test["nodeid"], test["attempt"]]) == 1
        run = "" if is_one else f" ({document['shards'][test['shard']]['run']['id']})"
        return {**test, "nodeid": test["nodeid"] + run}

    return {**document, "tests": [named(test) for test in document["tests"]]}
