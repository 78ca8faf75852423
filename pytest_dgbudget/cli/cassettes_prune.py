"""``dgbudget cassettes prune``: remove the cassettes that no test uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_dgbudget.cassette.store import FILE_NAMES
from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.kept_cassettes import KeptCassette, KeptCassettes, kept_cassettes, kilobytes
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import write_json, write_verbatim
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.units import counted

_DESCRIPTION = """\
Show the cassettes that no test of this project uses, and with --yes remove them. Which tests there are is found by a
pytest that only collects them, those that -m, -k or --deselect leave out included; where it can't collect all of them,
nothing is removed. Files that are no part of a cassette stay. Neither a key nor the network is needed.

Exit status: 0; 1 when something could not be removed, or the tests not collected; 2 for bad usage.
"""
_EXAMPLE = "dgbudget cassettes prune --yes"
_PROG = "dgbudget cassettes prune"
_NOT_COLLECTED = "nothing is removed, for pytest could not collect the tests:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What became of an orphan; ``why`` is what kept it, or a file in its folder, from being removed, or empty."""

    cassette: KeptCassette
    why: str = ""


def main(arguments: Sequence[str]) -> int:
    """Show or remove them, and return the exit status; raises SettingsError."""
    parser = CommandParser("cassettes prune", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_argument("--yes", action="store_true", help="Remove them. Without it, nothing is changed.")
    parser.add_json()
    add_options(parser, {"dg_cassette_dir"})
    given = parser.parse_args(arguments)
    kept = kept_cassettes(resolve_for_statement(given))
    if kept.not_collected is not None:
        complain(_PROG, f"{_NOT_COLLECTED}\n{kept.not_collected}")
        return FAILED
    pruned = [_remove(each) if given.yes else Pruned(cassette=each) for each in kept.orphans]
    if given.json:
        write_json(_document(kept, pruned, dry_run=not given.yes))
    else:
        write_verbatim(pruned_lines(kept, pruned, dry_run=not given.yes))
    return FAILED if any(each.why for each in pruned) else 0


def _remove(cassette: KeptCassette) -> Pruned:
    """Remove what makes a cassette, and its folders as far as nothing else is in them."""
    others = []
    try:
        for file in sorted(cassette.folder.iterdir()):
            if FILE_NAMES.fullmatch(file.name) and not file.is_dir():
                file.unlink()
            else:
                others.append(file.name)
        if others:
            return Pruned(cassette=cassette, why=f"not part of a cassette, and left: {', '.join(others)}")
        cassette.folder.rmdir()
        with suppress(OSError):  # they have others in them
            for folder in (cassette.of_test, *cassette.of_test.parents[:1]):
                folder.rmdir()
    except OSError as error:
        return Pruned(cassette=cassette, why=str(error))
    return Pruned(cassette=cassette)


def _document(kept: KeptCassettes, pruned: Sequence[Pruned], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "cassettes": [
            {"cassette": kept.shown(each.cassette.folder), "bytes": each.cassette.size, "why": each.why or None}
            for each in pruned
        ],
    }


def pruned_lines(kept: KeptCassettes, pruned: Sequence[Pruned], *, dry_run: bool) -> Iterator[str]:
    """Yield a line for each orphan, and one for all of them."""
    from pytest_dgbudget.report.plain_text import harmless

    if not pruned:
        yield f"nothing to remove: a test uses each of {counted(len(kept.cassettes), 'cassette')}"
        return
    for each in pruned:
        done = "would remove" if dry_run else "failed:" if each.why else "removed"
        why = f": {each.why}" if each.why else ""
        yield harmless(f"{done} {kept.shown(each.cassette.folder)} ({kilobytes(each.cassette.size)}){why}")
    of_all = f"{counted(len(pruned), 'cassette')}, {kilobytes(sum(each.cassette.size for each in pruned))}"
    yield f"{of_all}: nothing was removed; --yes removes them" if dry_run else of_all
