"""``dgbudget support-bundle``: what Deepgram's support needs to look into one run, in a zip file."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import counted

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.report.support_bundle import SupportBundle

_DESCRIPTION = """\
Write dgbudget-support-RUN.zip, with which Deepgram support can look into a run: a page in plain words, a CSV line for
each session (request id, UTC times, our figures and the statement's), versions, and the configuration that matters.

It holds no key, no transcript, no audio, no test ids, no paths, and nothing of the environment. It is made from the
ledger alone: nothing is asked of the network. Run "dgbudget reconcile RUN" before, if the statement has not been read.
"""
_EXAMPLE = "dgbudget support-bundle 20261130-101500-0c1f2a"


def main(arguments: Sequence[str]) -> int:
    """Write the bundle of a run, and return the exit status; raises SettingsError or LedgerError."""
    parser = _parser()
    given = parser.parse_args(arguments)
    bundle = _bundle(given.run, resolve_for_statement(given))
    try:
        path = _path(given.output, bundle.run)
        if not path.parent.is_dir():
            parser.error(f"there is no folder {path.parent}: make it, or name another one with --output")
        (_replace if given.force else _create)(path, bundle.to_zip())
    except FileExistsError as error:
        parser.error(f"{error.filename} exists: --force replaces it, --output=FILE names another one")
    except OSError as error:
        complain(parser.prog, str(error))
        return FAILED
    _tell(path, bundle, as_json=given.json)
    return 0


def _parser() -> CommandParser:
    parser = CommandParser("support-bundle", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_argument("run", nargs="?", metavar="RUN", help="The id of the run, as its report has it.")
    parser.add_argument("--output", metavar="PATH", help="Write this file, or into this folder.")
    parser.add_argument("--force", action="store_true", help="Replace a file that is there.")
    parser.add_json()
    add_options(parser, names={"dg_ledger", "dg_agent_url", "dg_api_url", "dg_project"})
    return parser


def _bundle(run: str | None, run_config: RunConfig) -> SupportBundle:
    from pytest_dgbudget.cli.ledger import holders_in, open_ledger, require_run
    from pytest_dgbudget.ledger.reading import LedgerReader
    from pytest_dgbudget.report.support_bundle import support_bundle

    with open_ledger(run_config) as connection:
        reader = LedgerReader(connection)
        known = require_run(reader, run)
        if holders_in(connection, run_config).live([known]):
            raise SettingsError(f"run {known} is not over: its figures would be incomplete; wait until it has ended")
        return support_bundle(reader.facts(known), run_config, _versions())


def _versions() -> Mapping[str, str | None]:
    return {
        **{name: _installed(name) for name in ("pytest-dgbudget", "pytest", "websockets", "deepgram-sdk")},
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",  # none of its names
    }


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _path(output: str | None, run: str) -> Path:
    """Return the file that is named, or is to be in the folder that is named; a name that ends in a slash is one."""
    name = f"dgbudget-support-{run}.zip"
    if not output:
        return Path(name)
    path = Path(output)
    return path / name if output.endswith(os.sep) or path.is_dir() else path


def _create(path: Path, data: bytes) -> None:
    """Write a file that only this user can read; raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(path: Path, data: bytes) -> None:
    """The same, whatever is there; what is there stays until all is written."""
    new = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    _create(new, data)
    new.replace(path)


def _tell(path: Path, bundle: SupportBundle, *, as_json: bool) -> None:
    if as_json:
        write_json({"run": bundle.run, "path": str(path), "sessions": bundle.sessions})
    else:
        write([f"{path}: run {bundle.run}, {counted(bundle.sessions, 'session')}; read it before you send it"])
