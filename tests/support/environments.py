"""Environments like those that pip makes, without a network: what is installed here, linked into fresh ones."""

from __future__ import annotations

import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

import pytest_dgbudget

OURS = "pytest-dgbudget"


def environment_with(folder: Path, *names: str) -> Path:
    """Make one that has these distributions and what they need; return its interpreter."""
    venv.create(folder, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    for name in {needed for wanted in names for needed in needed_by(wanted)}:
        if name == OURS:
            install_ours(site)
        else:
            link(distribution(name), site)
    return folder / "bin" / "python"


def needed_by(name: str) -> Iterator[str]:
    """It, and all that it requires here."""
    yield name
    for requirement in map(Requirement, distribution(name).requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from needed_by(requirement.name)


def link(installed: Distribution, site: Path) -> None:
    for name in {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}:
        (site / name).symlink_to(str(installed.locate_file(name)))


def install_ours(site: Path) -> None:
    """As from a wheel, whose list of files pytest reads at every start; a developer's install has none."""
    package = Path(pytest_dgbudget.__file__).parent
    (site / package.name).symlink_to(package)
    info = site / f"{package.name}.dist-info"
    info.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (info / name).write_text(distribution(OURS).read_text(name) or "", encoding="utf-8")
    files = [
        file.relative_to(package.parent)
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files), encoding="utf-8")
