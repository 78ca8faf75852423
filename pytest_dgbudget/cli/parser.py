"""How a command reads its arguments, and says what is wrong with them: on one line, with exit status 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from pytest_dgbudget.cli.options import respelled

_BAD_USAGE = 2


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

    def error(self, message: str) -> NoReturn:
        self.exit(_BAD_USAGE, f"{self.prog}: {respelled(message)}\n")  # one line, without argparse's usage block
