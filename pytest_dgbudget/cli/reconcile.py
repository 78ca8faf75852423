"""``dgbudget reconcile``: runs that were not reconciled when they ended, compared with the vendor's statement now."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.bars import Bars, Steps, no_bars, shown_bars
from pytest_dgbudget.cli.exit_status import FAILED, fails
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import counted

if TYPE_CHECKING:
    from pytest_dgbudget.cli.later_runs import LaterResult
    from pytest_dgbudget.config.resolve import RunConfig

_DESCRIPTION = """\
Compare runs that have ended with the vendor's statement, add the result to the ledger, and write their report anew
where the report folder still has it. --pending takes all runs of the ledger that were pending at their end, whose
gateway was killed before it could compare anything, or for which a part of the statement could not be read.

The key is read from the environment, the rest from the pytest configuration of the current directory (dg_* keys).
Rehearsals are asked of their emulator, by its key and --api-url. Exit status: 1 when a run is a discrepancy, with
--reconcile=require when one is anything but reconciled; 0 otherwise; 2 for bad usage.
"""
_EXAMPLE = "dgbudget reconcile --pending --reconcile-timeout=5m"
_OPTIONS = (
    *("dg_agent_url", "dg_api_url", "dg_project", "dg_ledger", "dg_report_dir"),
    *("dg_reconcile", "dg_reconcile_timeout", "dg_tolerance"),
)


def main(arguments: Sequence[str]) -> int:
    """Compare, show what came of it, and return the exit status; raises SettingsError or LedgerError."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.runs and not given.pending:
        parser.error(f"name a run, or --pending for all that are; example: {_EXAMPLE}")
    return _reconcile(given)


def _parser() -> CommandParser:
    parser = CommandParser(
        "reconcile",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        usage="dgbudget reconcile [OPTIONS] [RUN ...] [--pending]",
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="The id of a run, as its report has it.")
    parser.add_argument("--pending", action="store_true", help="Take all runs that are pending.")
    parser.add_json()
    add_options(parser, _OPTIONS)
    return parser


def _reconcile(given: argparse.Namespace) -> int:
    from pytest_dgbudget.cli.later_results import entry_of
    from pytest_dgbudget.cli.later_runs import LaterRuns
    from pytest_dgbudget.cli.ledger import open_ledger
    from pytest_dgbudget.config.api_access import api_access

    run_config = _run_config(given)
    access = api_access(run_config)
    with open_ledger(run_config) as connection, no_bars() if given.json else shown_bars() as bars:
        later = LaterRuns(run_config, access, connection)
        named = later.known(given.runs)
        pending, left = later.pending(besides=named) if given.pending else ([], [])
        done = bars.begin("comparing runs", len(named) + len(pending))
        compared = _counted(later.compare([*named, *pending], partial(_say_what_is_waited_for, bars)), done)
        results = list(compared) if given.json else _shown(compared, left, run_config, bars)
    failing = any(fails(result.verdict, run_config.reconcile) for result in results)
    if given.json:
        write_json({"runs": [entry_of(each) for each in (*results, *left)], "failing": failing})
    return FAILED if failing else 0


def _run_config(given: argparse.Namespace) -> RunConfig:
    run_config = resolve_for_statement(given)
    if not run_config.reconcile_timeout_ms:
        raise SettingsError("--dg-reconcile-timeout is 0, so nothing could be asked; it is how long all may take")
    return run_config


def _counted(results: Iterable[LaterResult], done: Steps) -> Iterator[LaterResult]:
    for number, result in enumerate(results, start=1):
        done(number)
        yield result


def _say_what_is_waited_for(bars: Bars, runs: int) -> None:
    from pytest_dgbudget.cli.summary import say

    if sys.stderr is not None and sys.stderr.isatty():
        with bars.put_aside():
            say([f"waiting for the statement of {counted(runs, 'run')} (Ctrl-C: leave it for later)"])


def _shown(
    results: Iterable[LaterResult], left: Sequence[LaterResult], run_config: RunConfig, bars: Bars
) -> list[LaterResult]:
    """Write each result as it comes."""
    from pytest_dgbudget.cli.later_results import lines_of, lines_of_left

    shown = []
    for result in results:
        with bars.put_aside():
            write(lines_of(result, run_config.report_dir))
        shown.append(result)
    with bars.put_aside():
        write(lines_of_left(left))
        if not shown and not left:
            write(["no run is pending"])
    return shown
