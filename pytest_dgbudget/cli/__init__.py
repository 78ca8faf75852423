"""The console script ``dgbudget``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

_COMMANDS = {
    "emulator": "run the Voice Agent emulator",
    "run": "run any program with its Voice Agent sessions metered",
}
_EXAMPLE = "example: dgbudget run --budget 5m -- npm test"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; 2 for bad usage."""
    parser = argparse.ArgumentParser(
        prog="dgbudget", description="Budgets for Deepgram Voice Agent sessions.", epilog=_EXAMPLE
    )
    commands = "; ".join(f"{name}: {what}" for name, what in _COMMANDS.items())
    parser.add_argument("command", choices=sorted(_COMMANDS), help=commands)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see dgbudget COMMAND --help")
    given = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if given.command == "run":
        from pytest_dgbudget.cli.run import main as run

        return run(given.arguments)
    from pytest_dgbudget.emulator import main as emulator

    return emulator(given.arguments)
