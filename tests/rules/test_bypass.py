"""What a run's report says of sessions past the gateway."""

from __future__ import annotations

import pytest

from pytest_dgbudget.rules.bypass import BypassState, bypass_state


@pytest.mark.parametrize(
    ("seen", "possible", "live", "sessions", "state"),
    [
        (False, False, True, 1, "refused"),
        (False, False, False, 0, "refused"),
        (False, False, True, 0, "unknown"),
        (False, True, True, 0, "possible"),
        (False, True, True, 1, "possible"),
        (False, True, False, 0, "possible"),
        (True, True, True, 1, "seen"),
        (True, False, True, 0, "seen"),
    ],
)
def test_what_is_known_best_is_said(seen: bool, possible: bool, live: bool, sessions: int, state: BypassState) -> None:
    assert bypass_state(seen=seen, possible=possible, live=live, sessions=sessions) == state
