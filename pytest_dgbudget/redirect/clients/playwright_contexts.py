"""Contexts that Playwright for Python makes, or finds, get the init script."""

from __future__ import annotations

from typing import Any

from .. import patches, playwright
from ..settings import current


def patch(module: Any) -> None:
    def settings() -> Any:
        now = current()
        return None if now is None else now.to_dict()

    for undo in playwright.PATCHES[module.__name__](module, settings):
        patches.undo_by(undo)
