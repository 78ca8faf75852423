"""For all tests with real processes."""

from tests.support.lean import lean_start

__all__ = ["lean_start"]
