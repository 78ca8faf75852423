"""For all tests with real processes."""

from tests.support.lean import bare_start, lean_start

__all__ = ["bare_start", "lean_start"]
