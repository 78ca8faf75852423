"""The pytest plugin: what is registered at every start of pytest, and so kept small.

``hooks`` and ``options`` are loaded here. Everything else is loaded by the first test that asks for ``voice_agent``:
``owner`` holds this process's link to the gateway, ``accounting`` the hooks around each test, ``workers`` what xdist's
controller does instead.
"""

from __future__ import annotations

from pytest_dgbudget.plugin.fixtures import voice_agent
from pytest_dgbudget.plugin.hooks import (
    pytest_addoption,
    pytest_collection_finish,
    pytest_configure,
    pytest_configure_node,
    pytest_report_collectionfinish,
    pytest_report_header,
    pytest_testnodedown,
    pytest_unconfigure,
)

__all__ = [
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "pytest_testnodedown",
    "pytest_unconfigure",
    "voice_agent",
]
