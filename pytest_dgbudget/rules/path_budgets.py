"""Which path budget applies to a test: the first whose glob its file matches."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pytest_dgbudget.model import PathBudget

_FOLDERS = "**"


def path_of(file: str, paths: Sequence[PathBudget]) -> PathBudget | None:
    """Return the first budget whose glob a file matches, which is named from the rootdir on; None without one."""
    names = file.split("/")
    return next((each for each in paths if _matches(each.glob.split("/"), names)), None)


def _matches(patterns: Sequence[str], names: Sequence[str]) -> bool:
    if not patterns:
        return not names
    first, rest = patterns[0], patterns[1:]
    if first == _FOLDERS:
        return any(_matches(rest, names[n:]) for n in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], first) and _matches(rest, names[1:])
