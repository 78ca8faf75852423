"""Names of tests, cut to the room that a table has for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from posixpath import commonpath

# Longer ones are cut in their middle whatever the room: nobody reads them, and a table would be nothing else.
_LONGEST = 400


def shortened(names: Sequence[str], room: int, ellipsis: str = "…") -> list[str]:
    """Return the names cut to the room that there is, but those of which it would take what distinguishes them."""
    from rich.cells import cell_len

    names = [_without_middle(name, ellipsis) for name in names]
    if all(cell_len(name) <= room for name in names):
        return names
    folder = commonpath([name.partition("::")[0].rpartition("/")[0] or "." for name in names])
    inner = [name.removeprefix(f"{folder}/") for name in names]
    space = room - len(ellipsis)
    cut = [name if cell_len(name) <= room else f"{ellipsis}{_end_of(name, space)}" for name in inner]
    shares = Counter(dict(zip(inner, cut, strict=True)).values())
    return [whole if shares[short] > 1 else short for whole, short in zip(inner, cut, strict=True)]


def _without_middle(name: str, ellipsis: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}{ellipsis}{name[-half:]}"


def _end_of(name: str, room: int) -> str:
    from rich.cells import cell_len

    return next((name[start:] for start in range(len(name)) if cell_len(name[start:]) <= room), "")
