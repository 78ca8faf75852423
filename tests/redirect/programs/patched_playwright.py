"""Playwright for Python, patched as where it is imported after a run has begun."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from pytest_dgbudget.redirect.playwright import PATCHES

Settings = dict[str, Any]


@contextlib.contextmanager
def patched(settings: Settings | None) -> Iterator[None]:
    present = [(patch, sys.modules[name]) for name, patch in PATCHES.items() if name in sys.modules]
    assert len(present) == 2
    undo = [undo for patch, module in present for undo in patch(module, lambda: settings)]
    try:
        yield
    finally:
        for one in undo:
            one()
