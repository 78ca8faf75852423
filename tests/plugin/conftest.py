"""For all tests of what a project sees that uses the plugin."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from tests.support.lean import bare_start, lean_start

__all__ = ["asyncio_closes_its_loops", "bare_start", "lean_start"]

# Up to 1.3 an event loop stays open, with 0.26 and 1.0 seen without our plugin, too; the garbage collector reports it.
asyncio_closes_its_loops = pytest.mark.skipif(
    tuple(int(number) for number in version("pytest-asyncio").split(".")[:2]) < (1, 5),
    reason="this pytest-asyncio leaves event loops open",
)
