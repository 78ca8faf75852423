"""``dgbudget plan``: what a suite is likely to spend, by a pytest that only collects it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.options import flag_of
from pytest_dgbudget.cli.output import write_json
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.config import OPTIONS, PLAN_FLAG, PLAN_VARIABLE

if TYPE_CHECKING:
    from pytest_dgbudget.report.plan import PlanDocument

_DESCRIPTION = """\
Collect the tests that pytest would run with these arguments, and show what they are likely to spend against the run's
budget, by what they have spent before. Nothing is opened. Options of pytest-dgbudget may be written without dg-.

Exit status: that of pytest, which is 1 when the budget can't be kept; with --strict also when it may not be.
"""
_EXAMPLE = "dgbudget plan --budget 10m -n 4 tests"


def main(arguments: Sequence[str]) -> int:
    """Plan, show the plan, and return the exit status."""
    given, for_pytest = _parser().parse_known_args(arguments)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        status = _collect(given, for_pytest, file)
        document: PlanDocument | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if document is None:
        return status
    if given.json:
        write_json(document)
    return FAILED if given.strict and status == 0 and document["fits"] != "yes" else status


def _parser() -> CommandParser:
    parser = CommandParser(
        "plan",
        description=_DESCRIPTION,
        example=_EXAMPLE,
        usage="dgbudget plan [--strict] [--json] [PYTEST ARGUMENTS]",
    )
    parser.add_argument(
        "--strict", action="store_true", help="Exit status 1 also when the run may not fit into its budget."
    )
    parser.add_json()
    return parser


def _collect(given: argparse.Namespace, arguments: Sequence[str], file: Path) -> int:
    """Have pytest plan, and return its exit status; with --json, what it writes goes where it is in nobody's way."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", PLAN_FLAG, *map(_as_pytest_has_it, arguments)],
        env={**os.environ, PLAN_VARIABLE: str(file)},
        stdout=sys.stderr if given.json else None,
        check=False,
    ).returncode


def _as_pytest_has_it(argument: str) -> str:
    name, equals, value = argument.partition("=")
    known = {flag_of(option): option.flag for option in OPTIONS if not option.in_ini_only}
    return f"{known.get(name, name)}{equals}{value}"
