"""How modules of ours are loaded while pytest runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_rewriting() -> Iterator[None]:
    """Load modules as they are.

    pytest rewrites the assertions of every module of a plugin; ours have none. Where no bytecode may be written, that
    would compile these modules anew at every start of every pytest: three times what the whole plugin costs otherwise.
    """
    finders = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in finders if type(finder).__name__ != "AssertionRewritingHook"]
    try:
        yield
    finally:
        sys.meta_path[:] = [*(finder for finder in sys.meta_path if finder not in finders), *finders]
