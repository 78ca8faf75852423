"""``dgbudget report``: a run of the ledger as it was reported, two runs compared, or all runs of a period."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_dgbudget.cli.days import past_day
from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import is_terminal, write_verbatim
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.cli.report_formats import ALL_FORMATS, Screen, What, rendered, require_format
from pytest_dgbudget.errors import SettingsError

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.report.period_document import PeriodDocument

_DESCRIPTION = """\
Show a run of the ledger as it was reported (RUN: its id or the beginning of it; default: the last one). With --compare:
two runs, and why RUN was dearer than the other. With --since: what all runs of a period have spent, by day and tier,
the dearest tests and runs, and why it is more than in the period before.

Nothing is asked of the network. What was billed is never added to what was emulated. Exit status: 0; 1 when --output
can't be written; 2 for bad usage, or without a ledger.
"""
_EXAMPLE = "dgbudget report --since 30d"
_TOP = 20
_BAR_AFTER_SECONDS = 1.0
_COLUMNS = 80  # of what is no terminal


class Reported(NamedTuple):
    """A document, and what it is of."""

    what: What
    document: Mapping[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Report, and return the exit status; raises SettingsError or LedgerError."""
    parser = _parser()
    given = parser.parse_args(arguments)
    _refuse_contradictions(parser, given)
    format_ = "json" if given.json else given.format or "table"
    what, document = _reported(given, format_)
    text = rendered(what, document, format_, _screen(given.output))
    if given.output is None:
        write_verbatim([text.removesuffix("\n")])
        return 0
    return _write_file(parser.prog, Path(given.output), text)


def _parser() -> CommandParser:
    parser = CommandParser("report", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_argument("run", nargs="?", metavar="RUN", help="The id of a run, or the beginning of it.")
    parser.add_argument("--compare", metavar="RUN", help="Say what is different from this earlier run.")
    parser.add_argument(
        "--since", metavar="PERIOD", help="All runs since the beginning of a day (UTC): 30d, or a date, 2026-11-01."
    )
    parser.add_argument("--until", metavar="PERIOD", help="With --since: until the end of this day. Default: now.")
    parser.add_argument(
        "--top", type=_count, metavar="N", help=f"With --since: how many tests and runs are listed. Default: {_TOP}."
    )
    parser.add_argument(
        "--format", choices=ALL_FORMATS, metavar="FORMAT", help=f"{', '.join(ALL_FORMATS)}. Default: table."
    )
    parser.add_argument("--json", action="store_true", help="The same as --format=json.")
    parser.add_argument("--output", metavar="FILE", help="Write this file. Default: stdout.")
    add_options(parser, {"dg_ledger", "dg_report_dir"})
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tests and runs; accepted: 1, 2, …")
    return int(text)


def _refuse_contradictions(parser: CommandParser, given: argparse.Namespace) -> None:
    if given.json and given.format not in {None, "json"}:
        parser.error(f"--json and --format={given.format} are two formats")
    if given.since is not None and (given.run is not None or given.compare is not None):
        parser.error("--since reports all runs of a period, so name no RUN and nothing to --compare with")
    if given.since is None and (given.until is not None or given.top is not None):
        parser.error(f"{'--until' if given.until is not None else '--top'} goes with --since; example: {_EXAMPLE}")


def _reported(given: argparse.Namespace, format_: str) -> Reported:
    run_config = resolve_for_statement(given)
    if given.since is not None:
        require_format("period", format_)
        return Reported("period", _period(given, run_config, format_))
    what: What = "run" if given.compare is None else "comparison"
    require_format(what, format_)
    return _of_runs(given, run_config, format_)


def _period(given: argparse.Namespace, run_config: RunConfig, format_: str) -> PeriodDocument:
    from pytest_dgbudget.cli.bars import no_bars, shown_bars
    from pytest_dgbudget.cli.reported_period import reported_period

    now = datetime.now(timezone.utc)
    since = past_day("--since", given.since, now, "there is nothing to report")
    before = now if given.until is None else _end_of(past_day("--until", given.until, now, "it has not ended"), now)
    if before <= since:
        raise SettingsError(f"--until {given.until} is before --since {given.since}")
    shown = shown_bars(_BAR_AFTER_SECONDS) if format_ == "table" else no_bars()
    return reported_period(run_config, since, before, shown, most=given.top or _TOP)


def _end_of(day: datetime, now: datetime) -> datetime:
    return min(now, day + timedelta(days=1))


def _of_runs(given: argparse.Namespace, run_config: RunConfig, format_: str) -> Reported:
    from pytest_dgbudget.cli.reported_runs import ReportedRuns
    from pytest_dgbudget.report.comparison_document import compare

    with ReportedRuns.opened(run_config) as runs:
        run = runs.find(given.run)
        if given.compare is not None:
            return Reported("comparison", compare(runs.require(runs.find(given.compare)), runs.require(run)))
        archived = runs.archived(run)
        if archived is None:
            return Reported("run", runs.require(run))
        require_format("archived", format_)
        return Reported("archived", archived)


def _screen(output: str | None) -> Screen:
    if output is not None or not is_terminal():
        return Screen(_COLUMNS, color=False)
    return Screen(shutil.get_terminal_size().columns, color=not os.environ.get("NO_COLOR"))


def _write_file(prog: str, path: Path, text: str) -> int:
    """Write it at once or not at all; what can't be encoded was text of others, and is replaced."""
    new = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        new.write_bytes(text.encode("utf-8", "replace"))
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        complain(prog, f"{path} can't be written: {error.strerror}; name another file with --output")
        return FAILED
    return 0
