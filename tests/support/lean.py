"""A pytest under test starts in less than half the time without the installed plugins that it doesn't need.

And its emulator waits for nothing, unless the pace is what a test is about.
"""

from __future__ import annotations

import pytest

BARE = "-p no:hypothesispytest -p no:anyio"
LEAN = f"{BARE} -o dg_pace=max"


@pytest.fixture(autouse=True)
def lean_start(_no_key_no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests for which every installed plugin matters give PYTEST_ADDOPTS an empty value."""
    monkeypatch.setenv("PYTEST_ADDOPTS", LEAN)


@pytest.fixture
def bare_start(lean_start: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests to which it matters that no option of ours is set."""
    monkeypatch.setenv("PYTEST_ADDOPTS", BARE)
