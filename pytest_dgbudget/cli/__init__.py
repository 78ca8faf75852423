"""The console script ``dgbudget``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

_COMMANDS = {"emulator": "run the Voice Agent emulator"}
_EXAMPLE = "example: dgbudget emulator --port 8080"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; 2 for bad usage."""
    parser = argparse.ArgumentParser(
        prog="dgbudget", description="Budgets for Deepgram Voice Agent sessions.", epilog=_EXAMPLE
    )
    commands = "; ".join(f"{name}: {what}" for name, what in _COMMANDS.items())
    parser.add_argument("command", choices=sorted(_COMMANDS), help=commands)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see dgbudget COMMAND --help")
    given = parser.parse_args(sys.argv[1:] if argv is None else argv)
    from pytest_dgbudget.emulator import main as emulator

    return emulator(given.arguments)
