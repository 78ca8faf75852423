"""Our own folder, ``.dgbudget``: it ignores itself for git."""

from __future__ import annotations

from pathlib import Path

OURS = ".dgbudget"


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; where it lies in a ``.dgbudget``, that one gets its .gitignore. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for parent in (folder, *folder.parents):
        if parent.name == OURS and not (parent / ".gitignore").exists():
            (parent / ".gitignore").write_text("*\n", encoding="utf-8")
