"""A pytest under test starts in a third of the time without the installed plugins that it doesn't need."""

from __future__ import annotations

from importlib.metadata import version

import pytest

LEAN = "-p no:hypothesispytest -p no:anyio"


@pytest.fixture(autouse=True)
def lean_start(_no_key_no_proxy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests for which every installed plugin matters give PYTEST_ADDOPTS an empty value."""
    monkeypatch.setenv("PYTEST_ADDOPTS", LEAN)


# Up to 1.3 an event loop stays open, with 0.26 and 1.0 seen without our plugin, too; the garbage collector reports it.
asyncio_closes_its_loops = pytest.mark.skipif(
    tuple(int(number) for number in version("pytest-asyncio").split(".")[:2]) < (1, 5),
    reason="this pytest-asyncio leaves event loops open",
)
