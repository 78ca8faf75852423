"""A pytest under test starts in less than half the time without the installed plugins that it doesn't need."""

from __future__ import annotations

import pytest

LEAN = "-p no:hypothesispytest -p no:anyio"


@pytest.fixture(autouse=True)
def lean_start(_no_key_no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests for which every installed plugin matters give PYTEST_ADDOPTS an empty value."""
    monkeypatch.setenv("PYTEST_ADDOPTS", LEAN)
