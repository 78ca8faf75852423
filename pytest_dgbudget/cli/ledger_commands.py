"""``dgbudget ledger COMMAND``: what is done to the ledger itself."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from pytest_dgbudget.cli.parser import CommandParser

_DESCRIPTION = """\
Look after the ledger:

  vacuum  take the details of old runs out of it, into an archive
"""
_COMMANDS = {"vacuum": "pytest_dgbudget.cli.vacuum"}


def main(arguments: Sequence[str]) -> int:
    """Run the command that is named first; return its exit status."""
    parser = CommandParser(
        "ledger",
        description=_DESCRIPTION,
        example="dgbudget ledger vacuum --before 90d",
        usage="dgbudget ledger COMMAND [ARGUMENTS]",
    )
    parser.add_argument("command", choices=sorted(_COMMANDS), metavar="COMMAND", help="vacuum")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENTS", help="see ledger COMMAND --help")
    given = parser.parse_args(arguments)
    status: int = import_module(_COMMANDS[given.command]).main(given.arguments)
    return status
