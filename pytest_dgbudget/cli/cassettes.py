"""``dgbudget cassettes COMMAND``: what is done to the recordings that are kept to be replayed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from pytest_dgbudget.cli.parser import CommandParser

# What each command does, and the module whose ``main(arguments)`` returns its exit status.
_COMMANDS = {
    "check": ("read each cassette; with --live, see what the service changed", "pytest_dgbudget.cli.cassettes_check"),
    "list": ("show each cassette: its age, its size, what a replay saves", "pytest_dgbudget.cli.cassettes_list"),
    "prune": ("remove the cassettes that no test uses", "pytest_dgbudget.cli.cassettes_prune"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the command that is named first; return its exit status."""
    width = max(map(len, _COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {what}" for name, (what, _) in _COMMANDS.items())
    parser = CommandParser(
        "cassettes",
        description=f"Look after cassettes, the recorded sessions that are replayed:\n\n{table}\n",
        example="dgbudget cassettes list",
        usage="dgbudget cassettes COMMAND [ARGUMENTS]",
    )
    parser.add_argument("command", choices=sorted(_COMMANDS), metavar="COMMAND", help=", ".join(sorted(_COMMANDS)))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENTS", help="see cassettes COMMAND --help")
    given = parser.parse_args(arguments)
    status: int = import_module(_COMMANDS[given.command][1]).main(given.arguments)
    return status
