"""How a command reads its arguments, and says what is wrong with them: on one line, with exit status 2."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import Any, NoReturn

from pytest_dgbudget.cli.exit_status import BAD_USAGE
from pytest_dgbudget.cli.options import respelled
from pytest_dgbudget.cli.output import write


class CommandParser(argparse.ArgumentParser):
    """The parser of one command. ``example`` is shown at the end of its help."""

    def __init__(self, command: str, *, description: str, example: str, usage: str | None = None) -> None:
        super().__init__(
            prog=f"dgbudget {command}",
            usage=usage,
            description=description,
            epilog=f"example: {example}",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def print_help(self, file: Any = None) -> None:
        """Write it as all output is written: argparse would say nothing of what a full disk does not take."""
        if file is None:
            write([self.format_help().rstrip()])
        else:
            super().print_help(file)

    def add_json(self) -> None:
        self.add_argument("--json", action="store_true", help="Write one JSON document, at the end.")

    def error(self, message: str) -> NoReturn:
        refuse(self.prog, message)  # one line, without argparse's usage block


def refuse(prog: str, message: str) -> NoReturn:
    """Say what is wrong and exit as for bad usage."""
    complain(prog, message)
    raise SystemExit(BAD_USAGE)


def complain(prog: str, message: str) -> None:
    """Write one line on stderr, where there is one, with options as commands spell them."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{prog}: {respelled(message)}\n")
