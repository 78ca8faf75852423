"""A real Chromium, as the system's package installs it."""

from __future__ import annotations

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return its path; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip("there is no Chromium here")
