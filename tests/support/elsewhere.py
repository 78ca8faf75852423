"""Packages that can't be installed beside the others, each set in a folder of its own; .ci/run has the commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def elsewhere(folder: str, package: str) -> dict[str, str]:
    """Return the environment in which a package of this folder is found before all others; skip where it is not."""
    path = Path(sys.prefix) / folder
    if not (path / package).exists():
        pytest.skip(f"{package} is not installed in {path}")
    return {"PYTHONPATH": str(path)}
