"""``dgbudget drill``: failures on purpose, on this machine, and what leaks."""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.drill.stand_in_process import DrillFailed
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import parse_time

if TYPE_CHECKING:
    from pytest_dgbudget.drill.drills import Drill
    from pytest_dgbudget.drill.results import DrillResult

_DESCRIPTION = """\
Break tests on purpose, on this machine, and see what their sessions cost: tests that sleep, hold the interpreter, are
stopped or killed, a killed gateway, a full disk, a vendor that reads nothing, and more. Takes less than a minute, needs
neither a key nor root, and opens sessions at a stand-in on 127.0.0.1 alone.

A leak is what the stand-in metered after the end of a session's allowance, or after its owner was gone or its test was
over, or beyond what the ledger charged, whichever is most. Dollars are at the highest price.

Exit status: 1 when a drill leaked more than --max-leak, or broke; else 0; 2 for bad usage. A drill that this machine
can't do is skipped, with the reason, and counts as neither.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the drills and return the exit status."""
    parser = CommandParser("drill", description=_DESCRIPTION, example="dgbudget drill --max-leak 1s")
    parser.add_argument("--max-leak", metavar="TIME", type=_time, help="Exit with 1 when more than this leaked.")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="Run this one (may be repeated).")
    parser.add_json()
    given = parser.parse_args(arguments)
    drills = _chosen(given.only, parser.error)
    try:
        return _drill(drills, given)
    except DrillFailed as failure:
        complain(parser.prog, str(failure))
        return FAILED


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _chosen(names: Sequence[str], refuse: Callable[[str], object]) -> list[Drill]:
    from pytest_dgbudget.drill.drills import DRILLS

    known = [drill.name for drill in DRILLS]
    for name in names:
        if name not in known:
            refuse(f"--only: there is no drill {name!r}; there are {', '.join(known)}")
    return [drill for drill in DRILLS if not names or drill.name in names]


def _drill(drills: Sequence[Drill], given: argparse.Namespace) -> int:
    from pytest_dgbudget.cli.drill_table import table_of
    from pytest_dgbudget.drill.results import as_json, exit_status

    results = _in_order(drills, _results(drills, given.max_leak))
    if given.json:
        write_json(as_json(results))
    else:
        write(table_of(results))
    return exit_status(results, given.max_leak)


def _results(drills: Sequence[Drill], max_leak_ms: int | None) -> list[DrillResult]:
    from pytest_dgbudget.cli.drill_table import shown_progress
    from pytest_dgbudget.drill.running import run_drills

    with (
        _terminating_as_interrupt(),
        tempfile.TemporaryDirectory(prefix="dgbudget-drill-") as folder,
        closing(run_drills(drills, Path(folder), max_leak_ms)) as results,
    ):
        return list(shown_progress(results, len(drills)))


def _in_order(drills: Sequence[Drill], results: Sequence[DrillResult]) -> list[DrillResult]:
    by_name = {result.name: result for result in results}
    return [by_name[drill.name] for drill in drills]


@contextmanager
def _terminating_as_interrupt() -> Iterator[None]:
    """Whoever tells us to end: what was started is ended, and the folder removed."""
    before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
