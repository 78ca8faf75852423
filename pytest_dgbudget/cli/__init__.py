"""The console script ``dgbudget``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pytest_dgbudget.errors import LedgerError, SettingsError

# What each command does, and the module whose ``main(arguments)`` returns its exit status: loaded on use.
_COMMANDS = {
    "audit": ("compare a period's sessions with the vendor's statement", "pytest_dgbudget.cli.audit"),
    "cassettes": (
        "look after the sessions that are replayed (list, check, prune)",
        "pytest_dgbudget.cli.cassettes",
    ),
    "doctor": ("look at what works here, and say what to do about the rest", "pytest_dgbudget.cli.doctor"),
    "drill": ("break tests on purpose, on this machine, and see what leaks", "pytest_dgbudget.cli.drill"),
    "emulator": ("run the Voice Agent emulator", "pytest_dgbudget.emulator"),
    "ledger": ("take the details of old runs out of the ledger (vacuum)", "pytest_dgbudget.cli.ledger_commands"),
    "merge": ("report several runs that share no ledger as one", "pytest_dgbudget.cli.merge"),
    "plan": ("show what a suite is likely to spend, before it does", "pytest_dgbudget.cli.plan"),
    "reconcile": ("compare runs that have ended with the vendor's statement", "pytest_dgbudget.cli.reconcile"),
    "report": ("show a run of the ledger, two compared, or all of a period", "pytest_dgbudget.cli.report"),
    "run": ("run any program with its Voice Agent sessions metered", "pytest_dgbudget.cli.run"),
    "support-bundle": ("write what Deepgram support needs of a run", "pytest_dgbudget.cli.support_bundle"),
    "sweep": ("end the leases and delete the keys that dead gateways left", "pytest_dgbudget.cli.sweep"),
}
_EXAMPLE = "example: dgbudget run --budget 5m -- npm test"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    from pytest_dgbudget.cli.exit_status import FAILED
    from pytest_dgbudget.cli.output import OutputFailed, flushed
    from pytest_dgbudget.cli.parser import complain

    try:
        with flushed():
            parser = _parser()
            given = parser.parse_args(sys.argv[1:] if argv is None else argv)
            if given.version:
                return _write_version()
            if given.command is None:
                parser.error(f"which COMMAND? {', '.join(sorted(_COMMANDS))}; {_EXAMPLE}")
            return _run(given.command, given.arguments)
    except OutputFailed as failure:
        complain("dgbudget", str(failure))
        return FAILED


def _run(command: str, arguments: Sequence[str]) -> int:
    """Run it; what ends all commands in the same way does so here. Raises SystemExit for bad usage."""
    from pytest_dgbudget.cli.exit_status import INTERRUPTED
    from pytest_dgbudget.cli.parser import refuse

    prog = f"dgbudget {command}"
    if os.name == "nt" and command != "emulator":
        refuse(prog, "it runs on Linux and macOS")
    _, module = _COMMANDS[command]
    try:
        status: int = import_module(module).main(arguments)
    except (SettingsError, LedgerError) as error:
        refuse(prog, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _write_version() -> int:
    from importlib.metadata import version

    from pytest_dgbudget.cli.output import write

    write([f"pytest-dgbudget {version('pytest-dgbudget')}"])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dgbudget",
        usage="dgbudget COMMAND [ARGUMENTS]",
        description="Budgets for Deepgram Voice Agent sessions.\n\n" + _table(),
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("command", nargs="?", choices=sorted(_COMMANDS), metavar="COMMAND", help="one of these")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENTS", help="see dgbudget COMMAND --help")
    return parser


def _table() -> str:
    width = max(map(len, _COMMANDS))
    return "\n".join(f"  {name:<{width}}  {what}" for name, (what, _) in _COMMANDS.items())
