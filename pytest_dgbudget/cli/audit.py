"""``dgbudget audit``: all sessions of a period that the ledger has, against the vendor's statement."""

from __future__ import annotations

import argparse
import os
import shutil
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.days import past_day
from pytest_dgbudget.cli.exit_status import FAILED, INTERRUPTED, fails
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import is_terminal, write, write_json
from pytest_dgbudget.cli.parser import CommandParser

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.report.audit_document import AuditDocument

_DESCRIPTION = """\
Compare all sessions of a period that the ledger has with the vendor's statement: what nobody logged, what is missing,
durations, sums, prices, and leases whose end nobody saw. Judged are the sessions of live runs; with the key of a
stand-alone emulator and its --api-url, those of rehearsals.

The key is read from the environment, the rest from the pytest configuration of the current directory (dg_* keys). Exit
status: 1 when something disagrees, with --reconcile=require when the verdict is anything but reconciled; 0 otherwise,
also where something could not be compared, which is said; 2 for bad usage.
"""
_EXAMPLE = "dgbudget audit --since 7d"
_OPTIONS = ("dg_agent_url", "dg_api_url", "dg_project", "dg_ledger", "dg_reconcile", "dg_tolerance")


def main(arguments: Sequence[str]) -> int:
    """Audit, show what was found, and return the exit status; raises SettingsError or LedgerError."""
    given = _parser().parse_args(arguments)
    run_config = resolve_for_statement(given)
    try:
        document = _audit(given, run_config)
    except KeyboardInterrupt:
        _leave_reading()
        raise
    if given.json:
        write_json(document)
    else:
        write(_text(document).splitlines())
    return FAILED if fails(document["verdict"], run_config.reconcile) else 0


def _parser() -> CommandParser:
    parser = CommandParser(
        "audit", description=_DESCRIPTION, example=_EXAMPLE, usage="dgbudget audit --since PERIOD [OPTIONS]"
    )
    parser.add_argument(
        "--since",
        required=True,
        metavar="PERIOD",
        help="What began since then: 7d, or a date, 2026-11-01; always from the beginning of that day (UTC).",
    )
    parser.add_argument(
        "--all-tags",
        action="store_true",
        help="Judge requests under every dgbudget- tag, for a ledger that everybody shares.",
    )
    parser.add_json()
    add_options(parser, _OPTIONS)
    return parser


def _audit(given: argparse.Namespace, run_config: RunConfig) -> AuditDocument:
    from pytest_dgbudget.cli.audited_period import audit_period
    from pytest_dgbudget.cli.bars import no_bars, shown_bars
    from pytest_dgbudget.config.api_access import api_access

    since = past_day("--since", given.since, datetime.now(timezone.utc), "there is nothing to audit")
    shown = no_bars() if given.json else shown_bars()
    return audit_period(run_config, api_access(run_config), since, shown, all_tags=given.all_tags)


def _leave_reading() -> None:
    """End the process where threads still wait for a server: at its end Python would wait for them."""
    from pytest_dgbudget.deepgram.period import THREADS

    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        os._exit(INTERRUPTED)


def _text(document: AuditDocument) -> str:
    from pytest_dgbudget.report.audit_table import audit_text

    width = shutil.get_terminal_size().columns if is_terminal() else 0
    return audit_text(document, width=width, color=is_terminal() and not os.environ.get("NO_COLOR"))
