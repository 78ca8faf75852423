"""``dgbudget cassettes prune``: remove the cassettes that no test uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_dgbudget.cassette.store import FILE_NAMES
from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.kept_cassettes import KeptCassette, KeptCassettes, kept_cassettes, kilobytes
from pytest_dgbudget.cli.options import add_options, resolve_for_statement
from pytest_dgbudget.cli.output import write_json, write_verbatim
from pytest_dgbudget.cli.parser import CommandParser, complain
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.units import counted

_DESCRIPTION = """\
Show the cassettes that no test of this project uses, and with --yes remove them. Which tests there are is found by a
pytest that only collects them, those that -m, -k or --deselect leave out included; where it can't collect all of them,
nothing is removed. Files that are no part of a cassette stay. Neither a key nor the network is needed.

Exit status: 0; 1 when a cassette could not be removed, or the tests not collected; 2 for bad usage.
"""
_EXAMPLE = "dgbudget cassettes prune --yes"
_PROG = "dgbudget cassettes prune"
_FOREIGN = "it is no part of a cassette"
_NOT_COLLECTED = "nothing is removed, for pytest could not collect the tests:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What became of an orphan; ``why`` is what kept it from being removed, or empty."""

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
    left = [*_foreign(kept.orphans)]
    pruned = [_remove(each) if given.yes else Pruned(cassette=each) for each in kept.orphans]
    if given.json:
        write_json(_document(kept, pruned, left, dry_run=not given.yes))
    else:
        write_verbatim(pruned_lines(kept, pruned, left, dry_run=not given.yes))
    return FAILED if any(each.why for each in pruned) else 0


def _remove(cassette: KeptCassette) -> Pruned:
    """Remove what makes a cassette, and its folders as far as nothing else is in them."""
    try:
        for file in sorted(cassette.folder.iterdir()):
            if _is_part(file):
                file.unlink()
    except OSError as error:
        return Pruned(cassette=cassette, why=error.strerror or type(error).__name__)
    with suppress(OSError):  # they have others in them
        for folder in (cassette.folder, cassette.of_test, cassette.of_test.parent):
            folder.rmdir()
    return Pruned(cassette=cassette)


def _is_part(file: Path) -> bool:
    """True for a file of those of which a cassette consists."""
    return FILE_NAMES.fullmatch(file.name) is not None and not file.is_dir()


def _foreign(cassettes: Sequence[KeptCassette]) -> Iterator[Path]:
    """Yield what stands in the folders of cassettes, and of their tests, and is no part of one."""
    folders = [each.folder for each in cassettes]
    for of_test in dict.fromkeys(each.of_test for each in cassettes):
        yield from (path for path in sorted(of_test.iterdir()) if path not in folders)
    for folder in folders:
        yield from (path for path in sorted(folder.iterdir()) if not _is_part(path))


def _document(kept: KeptCassettes, pruned: Sequence[Pruned], left: Sequence[Path], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "cassettes": [
            {
                "cassette": shown_path(each.cassette.folder, kept.rootdir),
                "bytes": each.cassette.size,
                "why": each.why or None,
            }
            for each in pruned
        ],
        "left": [shown_path(path, kept.rootdir) for path in left],
    }


def pruned_lines(
    kept: KeptCassettes, pruned: Sequence[Pruned], left: Sequence[Path], *, dry_run: bool
) -> Iterator[str]:
    """Yield a line for each orphan, one for each path that is no part of them, and one for all that was removed."""
    from pytest_dgbudget.report.plain_text import harmless

    if not pruned:
        yield f"nothing to remove: a test uses each of {counted(len(kept.cassettes), 'cassette')}"
        return
    for each in pruned:
        done = "would remove" if dry_run else "failed:" if each.why else "removed"
        why = f": {each.why}" if each.why else ""
        shown = shown_path(each.cassette.folder, kept.rootdir)
        yield harmless(f"{done} {shown} ({kilobytes(each.cassette.size)}){why}")
    for path in left:
        yield harmless(f"{'would leave' if dry_run else 'left'} {shown_path(path, kept.rootdir)}: {_FOREIGN}")
    yield _sum_of(pruned, dry_run=dry_run)


def _sum_of(pruned: Sequence[Pruned], *, dry_run: bool) -> str:
    gone = [each for each in pruned if not each.why]
    size, all_of_them = kilobytes(sum(each.cassette.size for each in gone)), counted(len(pruned), "cassette")
    if dry_run:
        return f"{all_of_them}, {size}: nothing was removed; --yes removes {'it' if len(pruned) == 1 else 'them'}"
    of_them = "" if len(gone) == len(pruned) else f"{len(gone)} of "
    return f"removed {of_them}{all_of_them}, {size}"
