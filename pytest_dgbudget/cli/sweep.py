"""``dgbudget sweep``: end the leases that dead gateways left open, and delete the keys that they left."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from socket import gethostname
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.ledger import open_ledger
from pytest_dgbudget.cli.options import add_options, resolve_project, respelled
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.errors import LedgerError, ReconciliationError, SettingsError
from pytest_dgbudget.units import format_time, seconds

if TYPE_CHECKING:
    from pytest_dgbudget.cli.left_keys import LeftKey
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.deepgram.keys import KeysApi
    from pytest_dgbudget.ledger.connection import Connection
    from pytest_dgbudget.ledger.facts import RunKeyFacts
    from pytest_dgbudget.ledger.holders import Holders
    from pytest_dgbudget.ledger.sweep import SweptLease

_DESCRIPTION = """\
End the leases in the ledger whose gateway is gone: they are settled with what is known, or charged in full where nobody
saw a session end. Delete the keys of --run-key that are left, found by the ledger or by their comment, unless their run
may still be going on. The key to do that with is read from the environment; without one, leases alone are ended.

Exit status: 0; 1 when something could not be done; 2 for bad usage.
"""
_EXAMPLE = "dgbudget sweep --dry-run"
_OPTIONS = {"dg_ledger", "dg_api_url", "dg_project"}
_FAILED = 1
_API_SECONDS = 60.0
_NO_API = "no management API is known for this agent URL: name it with --api-url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was done, or (``dry_run``) would be; ``problems`` is what could not be."""

    dry_run: bool
    leases: list[SweptLease]
    keys: list[LeftKey]
    problems: list[str]

    @property
    def failed(self) -> bool:
        return bool(self.problems) or any(key.result in ("failed", "not looked for") for key in self.keys)


class _DryRun(Exception):
    """Takes back what was done to the ledger."""


def main(argv: Sequence[str]) -> int:
    """Sweep, print what was done, and return the exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        swept = _sweep(resolve_project(given), dry_run=given.dry_run)
    except SettingsError as error:
        parser.error(str(error))
    except LedgerError as error:
        sys.stderr.write(f"{parser.prog}: {respelled(str(error))}\n")
        return _FAILED
    sys.stdout.write(_as_json(swept) if given.json else _as_table(swept))
    return _FAILED if swept.failed else 0


def _parser() -> CommandParser:
    parser = CommandParser("sweep", description=_DESCRIPTION, example=_EXAMPLE)
    add_options(parser, _OPTIONS)
    parser.add_argument("--dry-run", action="store_true", help="Change nothing: show what would be done.")
    parser.add_argument("--json", action="store_true", help="Print a JSON document.")
    return parser


def _sweep(run_config: RunConfig, *, dry_run: bool) -> Swept:
    from pytest_dgbudget.cli.left_keys import recorded_keys
    from pytest_dgbudget.config.resolve import refuse_unaskable
    from pytest_dgbudget.ledger.holders import Holders

    if run_config.api_key is not None and run_config.api_url is not None:
        refuse_unaskable(run_config)
    with open_ledger(run_config) as connection:
        holders = Holders(connection, run_config.state_dir, gethostname())
        leases = _sweep_leases(connection, holders, dry_run=dry_run)
        keys, problems = _sweep_keys(run_config, connection, holders, recorded_keys(connection), dry_run=dry_run)
    return Swept(dry_run=dry_run, leases=leases, keys=keys, problems=problems)


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

    if run_config.api_key is None:
        return not_looked_for(recorded, f"no key is set to ask with: set {run_config.key_variable}"), []
    if run_config.api_url is None:
        return not_looked_for(recorded, _NO_API), []
    try:
        return LeftKeys(connection, holders, _api(run_config)).delete(recorded, dry_run=dry_run), []
    except ReconciliationError as error:
        return not_looked_for(recorded, "see below"), [respelled(str(error))]


def _api(run_config: RunConfig) -> KeysApi:
    from pytest_dgbudget.deepgram.keys import KeysApi
    from pytest_dgbudget.deepgram.timeout import Timeout
    from pytest_dgbudget.model import ApiAccess

    assert run_config.api_url is not None
    assert run_config.api_key is not None
    access = ApiAccess(api_url=run_config.api_url, project=run_config.project, key=run_config.api_key)
    return KeysApi(access, Timeout(_API_SECONDS))


def _as_json(swept: Swept) -> str:
    document = {
        "dry_run": swept.dry_run,
        "leases": [
            {"id": lease.id, "run": lease.run, "result": lease.how or "open", "seconds": seconds(lease.ms)}
            for lease in swept.leases
        ],
        "keys": [asdict(key) for key in swept.keys],
        "problems": swept.problems,
    }
    return json.dumps(document, indent=2) + "\n"


def _as_table(swept: Swept) -> str:
    rows = [_lease_row(lease) for lease in swept.leases] + [_key_row(key) for key in swept.keys]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [] if rows else ["nothing is left of any run"]
    lines += [f"the vendor's keys could not be looked at: {problem}" for problem in swept.problems]
    lines += ["nothing was changed: this is what would be done"] if swept.dry_run else []
    return "".join(f"{line}\n" for line in lines)


def _lease_row(lease: SweptLease) -> tuple[str, ...]:
    what = "left open" if lease.how is None else lease.how
    charged = f"{format_time(lease.ms)} {'set aside' if lease.how is None else 'charged'}"
    why = "its run may still be going on" if lease.how is None else ""
    return ("lease", lease.id, f"run {lease.run}", what, charged, why)


def _key_row(key: LeftKey) -> tuple[str, ...]:
    return ("key", key.id, f"run {key.run}", key.result, "", key.why)
