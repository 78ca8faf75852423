"""``dgbudget cassettes check``: whether cassettes can be read, and with ``--live``, what the service changed since."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.kept_cassettes import cassette_folders, what_is_wrong
from pytest_dgbudget.cli.options import add_options, resolve_for_statement, resolve_options
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.errors import CassetteError, SettingsError
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.units import counted, format_age, format_period, parse_time

if TYPE_CHECKING:
    from pytest_dgbudget.cassette.cassette import Cassette
    from pytest_dgbudget.config.resolve import RunConfig

_DESCRIPTION = """\
Read every cassette of this project, and say which can't be read, hold what looks like a secret, or are older than
dg_cassette_max_age. Nothing is opened, and neither a key nor the network is needed.

With --live, have the sessions of cassettes again, with the same client side, against the live service, within the
budget, and report what changed: the order and presence of messages, their fields, the close, latency, price. What the
agent says may differ. The stalest and dearest come first, by age times cost, and what does not fit into the budget any
more is listed as not checked. Sessions are billed, metered and reported as in any live run.

Exit status: 1 when something changed, or no session could be had again; without --live, when a cassette can't be read,
holds what looks like a secret, or (dg_cassette_max_age = 90d fail) is too old; 2 for bad usage, and where there are no
cassettes; 0 otherwise.
"""
_EXAMPLE = "dgbudget cassettes check --live --budget 2m --json"
_OPTIONS = (
    *("dg_budget", "dg_cost_budget", "dg_agent_url", "dg_api_url", "dg_project", "dg_run_id", "dg_ledger"),
    *("dg_report_dir", "dg_reconcile", "dg_reconcile_timeout", "dg_tolerance", "dg_run_key", "dg_cassette_dir"),
)


def main(arguments: Sequence[str]) -> int:
    """Check, show what was found, and return the exit status; raises SettingsError or LedgerError."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.live:
        return _check_live(given)
    if given.dg_budget is not None or given.dg_cost_budget is not None:
        parser.error("a budget is for sessions, which only --live opens: add --live")
    return _check_files(given)


def _parser() -> CommandParser:
    parser = CommandParser("cassettes check", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_argument(
        "--live", action="store_true", help="Have the sessions again, billed, and report what the service changed."
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TYPE/POINTER=VARIABLE",
        help="What to send where a client's message was scrubbed, from an environment variable: "
        "Settings/agent/think/endpoint/headers/authorization=LLM_KEY. As often as needed.",
    )
    parser.add_argument(
        "--patience",
        default="12s",
        metavar="TIME",
        help="How long nothing may come, beyond twice what it took when recorded, before what is awaited counts as "
        "missing. Default: 12s.",
    )
    parser.add_json()
    add_options(parser, _OPTIONS)
    return parser


def _check_files(given: argparse.Namespace) -> int:
    run_config = resolve_for_statement(given)
    cassettes, unreadable = _read_all(run_config.cassette_dir)
    count = len(cassettes) + len(unreadable)
    secrets = {name: why for name, each in cassettes.items() if (why := _secret_in(each)) is not None}
    problems = {**unreadable, **secrets}
    too_old = _too_old(cassettes, run_config)
    if given.json:
        files = {"schema": "dgbudget.cassettes-check/1", "cassettes": count, "problems": problems, "too_old": too_old}
        write_json(files)
    else:
        write(map(harmless, _lines_of_files(count, unreadable, secrets, too_old, run_config)))
    return FAILED if problems or (too_old and run_config.cassette_max_age_fails) else 0


def _lines_of_files(
    count: int,
    unreadable: Mapping[str, str],
    secrets: Mapping[str, str],
    too_old: Mapping[str, float],
    run_config: RunConfig,
) -> Iterator[str]:
    yield from unreadable.values()
    yield from (f"{name}: {why}" for name, why in secrets.items())
    yield from (f"{name}: {format_age(round(age * 1000))} old" for name, age in too_old.items())
    cassettes = counted(count, "cassette")
    if unreadable:
        it = "it" if len(unreadable) == 1 else "them"
        yield (
            f"{len(unreadable)} of {cassettes} can't be read: where nothing else is said, restore or record {it} again"
        )
    if secrets:
        has = "has" if len(secrets) == 1 else "have"
        yield (
            f"{len(secrets)} of {cassettes} {has} what looks like a secret: take it out, and revoke it where it is one"
        )
    if too_old:
        most = format_period(run_config.cassette_max_age_ms or 0)
        is_, it = ("is", "it") if len(too_old) == 1 else ("are", "them")
        yield f"{len(too_old)} of {cassettes} {is_} older than {most} (dg_cassette_max_age): record {it} again"
    if not (unreadable or secrets or too_old):
        yield f"{cassettes} can be read; --live says whether the service still does the same"


def _secret_in(cassette: Cassette) -> str | None:
    """Say where a cassette holds what looks like a secret; None where it doesn't."""
    from pytest_dgbudget.cassette.cassette import CassetteText
    from pytest_dgbudget.cassette.secret_shapes import find_secret

    for event in cassette.events:
        if isinstance(event, CassetteText) and (found := find_secret(event.payload)) is not None:
            pointer, kind = found
            return f"the message of line {event.line} has {kind}, or what looks like one, at {pointer or 'its root'}"
    return None


def _too_old(cassettes: Mapping[str, Cassette], run_config: RunConfig) -> dict[str, float]:
    """Return the ages, in seconds, of those that are older than they may be."""
    if run_config.cassette_max_age_ms is None:
        return {}
    now, most = datetime.now(timezone.utc), run_config.cassette_max_age_ms / 1000
    ages = {name: (now - each.facts.recorded_at).total_seconds() for name, each in cassettes.items()}
    return {name: round(age, 3) for name, age in ages.items() if age > most}


def _check_live(given: argparse.Namespace) -> int:
    from pytest_dgbudget.cassette.client_side import with_values
    from pytest_dgbudget.cli.cassettes_live import LiveCheck, Unchecked
    from pytest_dgbudget.cli.drift_document import drift_document, drift_lines

    values = _values(given.set)
    run_config = resolve_options(argparse.Namespace(**vars(given), dg_target="live"))
    cassettes, problems = _read_all(run_config.cassette_dir)
    complete = {name: with_values(cassette, values) for name, cassette in cassettes.items()}
    found = LiveCheck(run_config, complete, datetime.now(timezone.utc), _patience_seconds(given.patience)).run()
    found.unchecked.extend(Unchecked(name, reason) for name, reason in problems.items())
    document = drift_document(found)
    if given.json:
        write_json(document)
    else:
        write(drift_lines(document))
    return FAILED if document["verdict"] != "none" or found.has_failed else 0


def _patience_seconds(text: str) -> float:
    try:
        return parse_time(text) / 1000
    except SettingsError as error:
        raise SettingsError(f"--patience: {error}") from None


def _values(given: Sequence[str]) -> Mapping[str, str]:
    values = {}
    for each in given:
        pointer, _, variable = each.rpartition("=")
        if not pointer or "/" not in pointer:
            raise SettingsError(f"--set {each}: TYPE/POINTER=VARIABLE is wanted, such as Settings/agent/greeting=TEXT")
        if variable not in os.environ:
            raise SettingsError(f"--set {each}: the environment has no variable {variable}")
        values[pointer] = os.environ[variable]
    return values


def _read_all(cassette_dir: Path | None) -> tuple[dict[str, Cassette], dict[str, str]]:
    """Return the project's cassettes by their names, and of the others why they can't be read.

    Raises SettingsError where there is none: what checks nothing is not to pass.
    """
    from pytest_dgbudget.cassette.store import read_cassette
    from pytest_dgbudget.cli.configuration import find_configuration

    cassettes: dict[str, Cassette] = {}
    problems: dict[str, str] = {}
    rootdir = find_configuration().rootdir
    for folder in cassette_folders(cassette_dir, rootdir):
        name = shown_path(folder, rootdir)
        try:
            cassettes[name] = read_cassette(folder)
        except CassetteError as error:
            problems[name] = what_is_wrong(error, rootdir)
    if not cassettes and not problems:
        raise SettingsError("there are no cassettes to check; a live pytest run with dg_record = once makes them")
    return cassettes, problems
