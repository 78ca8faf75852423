"""``dgbudget merge``: the reports of runs that share no ledger, as one report with one verdict."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.bars import Shown, no_bars, shown_bars
from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import is_terminal, write_json, write_verbatim
from pytest_dgbudget.cli.parser import CommandParser, complain

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import MergedDocument, RunFigures
    from pytest_dgbudget.report.usage_file import WrittenReport

_DESCRIPTION = """\
Report the runs of several machines as one, where each had a part of the budget (--dg-budget) and a ledger of its own.
The report is written to --report-dir, as that of a run, with all tests and sessions and one verdict.

A file that is given twice, or that an earlier or later one of the same run repeats, counts once. Figures that one of
the runs does not know are null. Nothing is asked of the network or of a ledger. Exit status: 1 when an overrun fails
one of the runs, or a report is missing (--shards); 0 otherwise; 2 for bad usage, also where a file is no usage.json, or
runs were billed and others not.
"""
_BAR_AFTER_SECONDS = 1.0
_EXAMPLE = "dgbudget merge shards --shards=4"


def main(arguments: Sequence[str]) -> int:
    """Merge, write the report, show it, and return the exit status; raises SettingsError."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.reports:
        parser.error(f"name the usage.json files, or a folder with them; example: {_EXAMPLE}")
    run_config = resolve_for_statement(given)
    folder = run_config.report_dir
    document = _merged(given.reports, folder, no_bars() if given.json else shown_bars(_BAR_AFTER_SECONDS))
    if (missing := _missing(document, given.shards)) is not None:
        document = _incomplete(document, missing)
    try:
        path, failures = _write(document, folder)
    except OSError as error:
        complain(parser.prog, f"the report can't be written to {folder}: {error}; name another one with --report-dir")
        return FAILED
    if run_config.step_summary is not None:
        failures += _not_appended(document, run_config.step_summary)
    for failure in failures:
        complain(parser.prog, failure)
    if given.json:
        write_json(document)
    else:
        write_verbatim(_lines(document, path))
    return FAILED if document["run"]["failing"] or missing is not None else 0


def _parser() -> CommandParser:
    parser = CommandParser(
        "merge", description=_DESCRIPTION, example=_EXAMPLE, usage="dgbudget merge [OPTIONS] USAGE.json ..."
    )
    parser.add_argument(
        "reports", nargs="*", type=Path, metavar="USAGE.json", help="A file, or a folder: each usage.json below it."
    )
    parser.add_argument("--shards", type=_count, metavar="N", help="How many runs there must be: fewer fail.")
    parser.add_json()
    add_options(parser, {"dg_report_dir"})
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of runs; accepted: 1, 2, …")
    return int(text)


def _merged(named: Sequence[Path], folder: Path, shown: Shown) -> MergedDocument:
    from pytest_dgbudget.report.merging import merge
    from pytest_dgbudget.report.usage_reading import read_usage, usage_files

    files = [file for each in named for file in usage_files(each)]
    documents = []
    with shown as bars:
        done = bars.begin("reading reports", len(files))
        for number, file in enumerate(files, start=1):
            documents.append((str(file), read_usage(file, folder)))
            done(number)
    return merge(documents)


def _missing(document: MergedDocument, expected: int | None) -> str | None:
    """Say that there are fewer runs than there must be; None when there are as many."""
    missing = 0 if expected is None else expected - len(document["shards"])
    if missing <= 0:
        return None
    return (
        f"{missing} of {expected} runs {'is' if missing == 1 else 'are'} missing (--shards): no usage.json came from "
        f"{'its job' if missing == 1 else 'their jobs'}, so what was spent there is not known here"
    )


def _incomplete(document: MergedDocument, missing: str) -> MergedDocument:
    run: RunFigures = {**document["run"], "complete": False}
    return {**document, "run": run, "notices": [*document["notices"], missing]}


def _write(document: MergedDocument, folder: Path) -> WrittenReport:
    from pytest_dgbudget.report.usage_file import set_earlier_aside, write_files

    set_earlier_aside(folder, document["run"]["id"])
    return write_files(document, folder)


def _not_appended(document: MergedDocument, summary: Path) -> list[str]:
    from pytest_dgbudget.report.step_summary import not_appended

    failure = not_appended(document, summary)
    return [] if failure is None else [failure]


def _lines(document: MergedDocument, path: Path) -> Iterator[str]:
    from pytest_dgbudget.report.header import report_lines
    from pytest_dgbudget.report.merged_text import merged_text

    color = is_terminal() and not os.environ.get("NO_COLOR")
    yield from merged_text(document, width=shutil.get_terminal_size().columns, color=color)
    yield from report_lines(path, Path.cwd())
