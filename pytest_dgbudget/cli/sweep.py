"""``dgbudget sweep``: end the leases that dead gateways left open, delete their keys, and remove their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.ledger import holders_in, open_ledger
from pytest_dgbudget.cli.options import add_options, resolve_for_statement, respelled
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.units import format_time, seconds

if TYPE_CHECKING:
    from pytest_dgbudget.cli.left_files import LeftFile
    from pytest_dgbudget.cli.left_keys import LeftKey
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.deepgram.keys import KeysApi
    from pytest_dgbudget.ledger.connection import Connection
    from pytest_dgbudget.ledger.facts import RunKeyFacts
    from pytest_dgbudget.ledger.holders import Holders
    from pytest_dgbudget.ledger.sweep import SweptLease
    from pytest_dgbudget.model import ApiAccess

_DESCRIPTION = """\
End the leases in the ledger whose gateway is gone: they are settled with what is known, or charged in full where nobody
saw a session end. Delete the keys of --run-key that are left, found by the ledger or by their comment, unless their run
may still be going on. The key to do that with is read from the environment; without one, no key is looked for. Remove
the files of runs whose processes are gone: recordings, browser scripts, empty logs, locks.

Exit status: 0; 1 when something could not be done; 2 for bad usage, or without a ledger.
"""
_EXAMPLE = "dgbudget sweep --dry-run"
_OPTIONS = {"dg_ledger", "dg_api_url", "dg_project"}
_API_SECONDS = 60.0
_UNREACHABLE = "see whether this machine reaches it (proxy, firewall), and --api-url"
_NOT_LISTED = "the vendor's keys could not be looked at"
_NOT_ASKED = "the vendor's keys were not looked at: {} is not set"
_NONE_EXPECTED = "none is expected: no key of a run is known to be left, and dg_run_key is off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was done, or (``dry_run``) would be; ``problems`` is what could not be, ``remarks`` what need not be."""

    dry_run: bool
    leases: list[SweptLease]
    keys: list[LeftKey]
    files: list[LeftFile]
    problems: list[str]
    remarks: list[str]

    @property
    def failed(self) -> bool:
        undone = [key.result in ("failed", "not looked for") for key in self.keys]
        return bool(self.problems) or any(undone) or any(file.why for file in self.files)


class _DryRun(Exception):
    """Takes back what was done to the ledger."""


def main(arguments: Sequence[str]) -> int:
    """Sweep, print what was done, and return the exit status; raises SettingsError or LedgerError."""
    given = _parser().parse_args(arguments)
    swept = _sweep(resolve_for_statement(given), dry_run=given.dry_run)
    if given.json:
        write_json(_document(swept))
    else:
        write(_lines(swept))
    return FAILED if swept.failed else 0


def _parser() -> CommandParser:
    parser = CommandParser("sweep", description=_DESCRIPTION, example=_EXAMPLE)
    add_options(parser, _OPTIONS)
    parser.add_argument("--dry-run", action="store_true", help="Change nothing: show what would be done.")
    parser.add_json()
    return parser


def _sweep(run_config: RunConfig, *, dry_run: bool) -> Swept:
    from pytest_dgbudget.cli.left_files import sweep_files
    from pytest_dgbudget.cli.left_keys import recorded_keys
    from pytest_dgbudget.config.api_access import api_access

    if run_config.api_key is not None and run_config.api_url is not None:
        api_access(run_config)  # refuses before anything is done
    with open_ledger(run_config) as connection:
        holders = holders_in(connection, run_config)
        leases = _sweep_leases(connection, holders, dry_run=dry_run)
        recorded = recorded_keys(connection)
        keys, problems = _sweep_keys(run_config, connection, holders, recorded, dry_run=dry_run)
    remarks = [_NOT_ASKED.format(run_config.key_variable)] if run_config.api_key is None and not recorded else []
    if not recorded and run_config.run_key == "off":
        remarks += [f"{problem}; {_NONE_EXPECTED}" for problem in problems]
        problems = []
    files = sweep_files(run_config.state_dir, dry_run=dry_run)
    return Swept(dry_run=dry_run, leases=leases, keys=keys, files=files, problems=problems, remarks=remarks)


def _sweep_leases(connection: Connection, holders: Holders, *, dry_run: bool) -> list[SweptLease]:
    from pytest_dgbudget.ledger.sweep import sweep

    swept: list[SweptLease] = []
    with suppress(_DryRun), connection.transaction():
        swept = sweep(connection, holders.may_hold)
        if dry_run:
            raise _DryRun
    return swept


def _sweep_keys(
    run_config: RunConfig, connection: Connection, holders: Holders, recorded: list[RunKeyFacts], *, dry_run: bool
) -> tuple[list[LeftKey], list[str]]:
    """Return what became of keys, and what kept them from being looked for."""
    from pytest_dgbudget.cli.left_keys import LeftKeys, not_looked_for
    from pytest_dgbudget.config.api_access import NAME_THE_API, NO_API, api_access

    if run_config.api_key is None:
        return not_looked_for(recorded, f"no key is set to ask with: set {run_config.key_variable}"), []
    if run_config.api_url is None:
        return not_looked_for(recorded, respelled(f"{NO_API}: {NAME_THE_API}")), []
    try:
        return LeftKeys(connection, holders, _api(api_access(run_config))).delete(recorded, dry_run=dry_run), []
    except ReconciliationError as error:
        return not_looked_for(recorded, _NOT_LISTED), [f"{_NOT_LISTED}: {_with_remedy(error)}"]


def _api(access: ApiAccess) -> KeysApi:
    from pytest_dgbudget.deepgram.keys import KeysApi
    from pytest_dgbudget.deepgram.timeout import Timeout

    return KeysApi(access, Timeout(_API_SECONDS))


def _with_remedy(error: ReconciliationError) -> str:
    """What an answer with a status says, names its own remedy."""
    said = respelled(str(error))
    return said if error.status is not None else f"{said}; {_UNREACHABLE}"


def _document(swept: Swept) -> dict[str, Any]:
    return {
        "dry_run": swept.dry_run,
        "leases": [
            {"id": lease.id, "run": lease.run, "result": lease.how or "open", "seconds": seconds(lease.ms)}
            for lease in swept.leases
        ],
        "keys": [asdict(key) for key in swept.keys],
        "files": [
            {"kind": file.kind, "path": str(file.path), "run": file.run, "result": _result(file), "why": file.why}
            for file in swept.files
        ],
        "problems": swept.problems,
        "remarks": swept.remarks,
    }


def _lines(swept: Swept) -> Iterator[str]:
    rows = [*map(_lease_row, swept.leases), *map(_key_row, swept.keys), *map(_file_row, swept.files)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield from ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    if not rows:
        known = not swept.problems and not swept.remarks
        yield "nothing is left of any run" if known else "nothing is left here of any run"
    yield from (*swept.problems, *swept.remarks)
    if swept.dry_run:
        yield "nothing was changed: this is what would be done"


def _lease_row(lease: SweptLease) -> tuple[str, ...]:
    what = "left open" if lease.how is None else lease.how
    charged = f"{format_time(lease.ms)} {'set aside' if lease.how is None else 'charged'}"
    why = "its run may still be going on" if lease.how is None else ""
    return ("lease", lease.id, f"run {lease.run}", what, charged, why)


def _file_row(file: LeftFile) -> tuple[str, ...]:
    run = "" if file.run is None else f"run {file.run}"
    return (file.kind, file.path.name, run, _result(file), "", file.why)


def _result(file: LeftFile) -> str:
    return "failed" if file.why else "removed"


def _key_row(key: LeftKey) -> tuple[str, ...]:
    return ("key", key.id, f"run {key.run}", key.result, "", key.why)
