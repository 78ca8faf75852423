"""The pytest plugin: what is registered at every start of pytest, and so kept small.

``hooks`` and ``options`` are loaded here, and the fixture is here as well: each module costs at every start. Everything
else is loaded by the first test that asks for ``voice_agent``: ``accounting`` has the hooks around each test, ``xdist``
what its controller does instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dgbudget.client.endpoint import Endpoint
    from pytest_dgbudget.client.voice_agent import VoiceAgent

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True

# As ``loading.without_rewriting`` does, which is itself among what is loaded here.
_finders = sys.meta_path[:]
sys.meta_path[:] = [finder for finder in _finders if type(finder).__name__ != "AssertionRewritingHook"]
try:
    from pytest_dgbudget.plugin.hooks import (
        pytest_addhooks,
        pytest_addoption,
        pytest_collection_finish,
        pytest_configure,
        pytest_load_initial_conftests,
        pytest_report_collectionfinish,
        pytest_report_header,
    )
finally:
    sys.meta_path[:] = _finders

__all__ = [
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "voice_agent",
    "voice_agent_endpoint",
]


def __dir__() -> list[str]:
    """pytest inspects every name of a plugin, including those that every module has."""
    return __all__


@pytest.fixture(scope="session")
def voice_agent_endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Where an application that is started once for many tests reaches the metered gateway.

    A session opened there belongs to the test that this process is running then: that test's budget, its report, and
    its end, which closes the session.
    """
    from pytest_dgbudget.plugin.process_endpoint import process_endpoint

    return process_endpoint(request)


@pytest.fixture
def voice_agent(request: pytest.FixtureRequest) -> Iterator[VoiceAgent]:
    """Metered Deepgram Voice Agent sessions for this test, in async and sync tests alike.

    ``async with voice_agent.connect() as session:`` (or ``with``) opens one; the code under test connects to
    ``voice_agent.endpoint``. Sessions are cut when the test's or the run's budget is used up, and closed when the test
    ends, however they were opened. Nothing is opened or spent until ``connect``.
    """
    from pytest_dgbudget.plugin.grant import granted

    with granted(request) as agent:
        yield agent
