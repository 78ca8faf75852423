"""A real Chromium, as the system's package installs it; the vendor has no address there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
_SCRIPT = Path(__file__).with_suffix(".sh")


def chromium() -> str:
    """Return what starts it; skip the test where there is none."""
    return str(_SCRIPT) if any(map(shutil.which, NAMES)) else pytest.skip("there is no Chromium here")
