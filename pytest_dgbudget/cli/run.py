"""``dgbudget run``: any program, with its Voice Agent sessions metered, attributed to it, and cut at the budget."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.options import add_options, belongs_to_outer_run, resolve_options
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.errors import DgBudgetError, SettingsError

if TYPE_CHECKING:
    from pytest_dgbudget.cli.metered_run import MeteredRun
    from pytest_dgbudget.cli.signals import HeldSignals
    from pytest_dgbudget.config.resolve import RunConfig

_DESCRIPTION = """\
Run a program as if it had been started by itself, with its Voice Agent sessions, and those of all that it starts,
opened through a metered gateway. At the budget the sessions are closed; the program goes on.

The rest is read from the pytest configuration of the current directory (dg_* keys) and from the environment. Exit
status: the program's (128 + the signal that killed it); 75 when a budget cut or refused a session; 1 when the program
succeeded, but --reconcile=require did not, or a session could not be metered; 2 for bad usage; 126 or 127 when the
program can't be run or is not there.
"""
_NO_CASSETTES = "target replay plays what was recorded of tests, and a program has none: use --target=emulator"
_EXAMPLE = "dgbudget run --budget 5m -- npm test"


def main(arguments: Sequence[str]) -> int:
    """Run a program and return the exit status; raises SettingsError."""
    parser = _parser()
    given = parser.parse_args(arguments)
    command: list[str] = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error(f"no program is named; example: {_EXAMPLE}")
    if belongs_to_outer_run(given):
        return _run_in_outer_run(command)
    run_config = resolve_options(given)
    if run_config.target == "replay":
        raise SettingsError(_NO_CASSETTES)
    return _run(command, run_config, is_live_line_wanted=not given.no_live_line)


def _parser() -> CommandParser:
    parser = CommandParser(
        "run", description=_DESCRIPTION, example=_EXAMPLE, usage="dgbudget run [OPTIONS] -- PROGRAM [ARGUMENTS]"
    )
    add_options(parser)
    parser.add_argument(
        "--no-live-line", action="store_true", help="Show nothing in the terminal while the program runs."
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="PROGRAM", help="The program and its arguments.")
    return parser


def _run_in_outer_run(command: list[str]) -> int:
    """Become the program: inside a run, its sessions are the outer run's business."""
    from pytest_dgbudget.cli.program import CannotStart, become
    from pytest_dgbudget.cli.summary import say

    say(["inside another run, and given neither --budget nor --target: what the program uses counts there"])
    try:
        become(command)
    except CannotStart as error:
        say([str(error)])
        return error.status


def _run(command: list[str], run_config: RunConfig, *, is_live_line_wanted: bool) -> int:
    from pytest_dgbudget.cli.metered_run import MeteredRun, name_of
    from pytest_dgbudget.cli.program import CannotStart, occupy_standard_files
    from pytest_dgbudget.cli.signals import HeldSignals
    from pytest_dgbudget.cli.summary import say

    occupy_standard_files()
    held = HeldSignals()
    with ExitStack() as stack:
        with held:
            run = stack.enter_context(closing(MeteredRun(run_config, name_of(command))))
            try:
                status = _metered(command, run, held, is_live_line_wanted=is_live_line_wanted)
            except CannotStart as error:
                say([str(error)])
                return error.status
        return _finish(run, held, status)


def _metered(command: list[str], run: MeteredRun, held: HeldSignals, *, is_live_line_wanted: bool) -> int:
    """Run the program to its end, and end its sessions with it."""
    from pytest_dgbudget.cli.live_figure import FigureAtMargin
    from pytest_dgbudget.cli.program import Program
    from pytest_dgbudget.cli.summary import header_lines, say
    from pytest_dgbudget.control.window_history import remark_on_history
    from pytest_dgbudget.terminals import can_be_drawn

    remark = remark_on_history(run.run_config, os.environ)
    try:
        run.begin()
    except DgBudgetError as error:
        raise SettingsError(str(error)) from error
    say([*header_lines(run.run_config, run.listens_at), *([] if remark is None else [remark])])
    with ExitStack() as stack:
        program = Program(command, os.environ, held)
        if is_live_line_wanted and can_be_drawn(sys.stderr):
            stack.enter_context(FigureAtMargin(run.progress, run.run_config))
        status = program.wait()
    run.end_sessions(None if held.told_to_end and status else "failed" if status else "passed")
    return status


def _finish(run: MeteredRun, held: HeldSignals, program_status: int) -> int:
    """Report the run; a signal that would end us ends the waiting for the statement."""
    from pytest_dgbudget.cli.exit_status import exit_status
    from pytest_dgbudget.cli.summary import annotate, closing_lines, say

    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)
    interrupted = program_status != 0 and held.told_to_end
    finished = run.finish(
        program_status,
        interrupted=interrupted,
        wait=not interrupted and not held.told_late,
        still_waiting=lambda: say(["waiting for the vendor's statement (Ctrl-C: go on without it)"]),
    )
    status, why = exit_status(
        program_status, finished, run.failure, must_reconcile=run.run_config.reconcile == "require"
    )
    say(closing_lines(run.run_config, finished, run.ended, run.what_programs_lack))
    if why is not None:
        say([why])
    if run.run_config.annotates and finished is not None and finished["document"] is not None:
        annotate(finished["document"])
    return status
