"""The pytest plugin: what is registered at every start of pytest, and so kept small.

``hooks`` and ``options`` are loaded here. Everything else is loaded by the first test that asks for ``voice_agent``:
``accounting`` has the hooks around each test, ``xdist`` what its controller does instead.
"""

from __future__ import annotations

import sys

# pytest rewrites the assertions of every module of a plugin; ours have none. Where no bytecode may be written, that
# would compile these modules anew at every start of every pytest: three times what the whole plugin costs otherwise.
_finders = sys.meta_path[:]
sys.meta_path[:] = [finder for finder in _finders if type(finder).__name__ != "AssertionRewritingHook"]
try:
    from pytest_dgbudget.plugin.fixtures import voice_agent
    from pytest_dgbudget.plugin.hooks import (
        pytest_addoption,
        pytest_collection_finish,
        pytest_configure,
        pytest_report_collectionfinish,
        pytest_report_header,
    )
finally:
    sys.meta_path[:] = _finders

__all__ = [
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "voice_agent",
]


def __dir__() -> list[str]:
    """pytest looks closely at each name of a plugin."""
    return __all__
