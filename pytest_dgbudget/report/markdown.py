"""``usage.md``: a run in GitHub's Markdown, as a CI service shows it beside the job; what matters most comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeVar, cast

from pytest_dgbudget.report.markdown_tests import dearest_tests, named
from pytest_dgbudget.report.markdown_text import in_code, in_text
from pytest_dgbudget.report.overrun_effect import excuse_of, excuse_of_run, fails
from pytest_dgbudget.report.overrun_words import overrun_phrase
from pytest_dgbudget.report.reconciliation import reconciliation_lines
from pytest_dgbudget.report.regression import TAKES_LONGER, change_of, found_regression
from pytest_dgbudget.report.run_line import recorded_line, replays_line, run_line, unused_line
from pytest_dgbudget.report.run_remarks import (
    attention_lines,
    mismatches,
    no_session_line,
    remark_lines,
    run_keys_line,
)

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import AttemptEntry, MergedDocument, RunFigures, UsageDocument
    from pytest_dgbudget.report.regression_figures import RegressionFigures

_MOST_BYTES = 60_000  # of 64 KiB
_MOST_ITEMS = 20
_ALL_IS_IN_JSON = ("; usage.json has all figures.", "\nThis is cut short: usage.json has all of it.\n")
_NO_JSON = (".", "\nThis is cut short.\n")

T = TypeVar("T")


def usage_markdown(document: UsageDocument) -> str:
    """Return the page: under 64 KiB whatever the document; cut short, it ends after a whole line."""
    return _page(document, *_ALL_IS_IN_JSON)


def markdown_without_json(document: UsageDocument) -> str:
    """Return the page of a run whose report could not be written: it names no file that is not there."""
    return _page(document, *_NO_JSON)


def _page(document: UsageDocument, where_all_is: str, cut_short: str) -> str:
    if "shards" in document:
        from pytest_dgbudget.report.merged_text import told_apart

        document = told_apart(cast("MergedDocument", document))
    lines = chain(_lines(document), ("", f"Run {in_code(document['run']['id'])}{where_all_is}"))
    return "".join(_fitted((f"{line}\n" for line in lines), cut_short))


def _fitted(lines: Iterable[str], cut_short: str) -> Iterator[str]:
    """Yield lines while there is room: whatever Markdown begins in a line ends in it."""
    room = _MOST_BYTES - len(cut_short)
    for line in lines:
        room -= len(line.encode())
        if room < 0:
            yield cut_short
            return
        yield line


def _lines(document: UsageDocument) -> Iterator[str]:
    run = document["run"]
    yield f"### Voice agent budget: {_verdict(document)} ({_billed(run)})"
    yield from ("", in_text(_summary(document)))
    for line in filter(None, (replays_line(document), recorded_line(document))):
        yield from ("", in_text(line))
    yield from _part("Needs attention", _attention(document))
    yield from _part("Runs", _shards(document))
    yield from _part("Dearest tests", dearest_tests(document))
    yield from _part("Reconciliation", _items(_reconciliation(document), in_text))
    yield from _part("Compared with earlier runs", _regression(document))
    yield from _part("Warnings", _items(document.get("warnings", []), lambda each: in_text(each["text"])))
    yield from _part("Notices", _items(document["notices"], in_text))


def _summary(document: UsageDocument) -> str:
    return unused_line(document) or run_line(document)


def _verdict(document: UsageDocument) -> str:
    excuse = excuse_of_run(document)
    return f"**{in_text(document['run']['verdict'])}**{'' if excuse is None else f', {excuse}'}"


def _billed(run: RunFigures) -> str:
    return f"{in_text(run['target'])}, {'billed' if run['billed'] else 'not billed'}"


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a heading and the lines below it; nothing where there are none."""
    shown = [*lines]
    if shown:
        yield from ("", f"#### {title}", "", *shown)


def _items(things: Sequence[T], shown: Callable[[T], str]) -> Iterator[str]:
    """Yield a list of things, which ``shown`` makes pieces of Markdown of."""
    yield from (f"- {shown(thing)}" for thing in things[:_MOST_ITEMS])
    if len(things) > _MOST_ITEMS:
        yield f"- and {len(things) - _MOST_ITEMS:,} more, all in usage.json"


def _attention(document: UsageDocument) -> Iterator[str]:
    """Yield a list of what somebody should look at; overruns that fail the run first."""
    overran = [test for test in document["tests"] if test["verdict"] == "overrun"]
    target = document["run"]["target"]
    yield from _items(sorted(overran, key=fails, reverse=True), lambda test: _overrun(test, target))
    yield from _items([*mismatches(document)], in_text)
    yield from _items([*_remarks(document)], in_text)


def _remarks(document: UsageDocument) -> Iterator[str]:
    yield from attention_lines(document)
    if document["reconciliation"]["verdict"] == "discrepancy":
        yield "what we metered and what the statement has disagree: see the reconciliation"
    if found_regression(document) is not None:
        yield f"{TAKES_LONGER}: see the comparison"
    yield from filter(None, [no_session_line(document)])
    yield from remark_lines(document, unasked=[run_keys_line, replays_line, recorded_line])


def _overrun(test: AttemptEntry, target: str) -> str:
    excuse = excuse_of(test)
    return f"{named(test, target)}: {in_text(overrun_phrase(test))}{'' if excuse is None else f' ({excuse})'}"


def _shards(document: UsageDocument) -> Iterator[str]:
    """Yield a list of the runs of a merged document."""
    if "shards" not in document:
        return
    from pytest_dgbudget.report.shards import shards_in

    yield from _items(
        shards_in("", document), lambda shard: f"{in_code(shard.run_id)}: {in_text(_summary(shard.document))}"
    )


def _reconciliation(document: UsageDocument) -> list[str]:
    if "shards" not in document:
        return reconciliation_lines(document)
    from pytest_dgbudget.report.merged_reconciliation import merged_lines

    return merged_lines(document)


def _regression(document: UsageDocument) -> Iterator[str]:
    """Yield a list of what was found, and one of the tests that it comes from; nothing where nothing was compared.

    That a suite has fewer tests than can be compared is no news in each of its runs.
    """
    regression = document.get("regression")
    if regression is None or regression["verdict"] == "off" or _has_too_few_tests(document, regression):
        return
    yield from _items(regression["sentences"], in_text)
    yield from _items(regression["contributors"], lambda each: f"{in_code(each['nodeid'])}: {in_text(change_of(each))}")


def _has_too_few_tests(document: UsageDocument, regression: RegressionFigures) -> bool:
    if regression["verdict"] != "too-few-runs":
        return False
    from pytest_dgbudget.rules.levels import FEWEST_TESTS  # a run without sessions needs nothing of it

    return len({test["nodeid"] for test in document["tests"]}) < FEWEST_TESTS
