"""The fixture, as ``pytest --fixtures`` shows it; its implementation is loaded when a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dgbudget.client.voice_agent import VoiceAgent

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


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
