"""What was waited for is said in words, with what to change."""

from __future__ import annotations

from typing import get_args

import pytest

from pytest_dgbudget.model import Awaited, GivenUpWait
from pytest_dgbudget.rules.waits import gave_up, what_to_change, what_was_awaited


@pytest.mark.parametrize("awaited", get_args(Awaited))
def test_all_that_can_be_waited_for_has_words_of_its_own(awaited: Awaited) -> None:
    others = [what_was_awaited(other) for other in (*get_args(Awaited), None) if other != awaited]
    assert what_was_awaited(awaited) not in others
    assert any(name in what_to_change(awaited) for name in ("--dg-", "dgbudget.toml", "dg_budget"))


def test_a_client_that_gave_up_is_told_for_how_long_it_waited_for_what() -> None:
    assert gave_up(GivenUpWait(ms=10_000, awaited="window")) == (
        "a client waited 10s for budget of a window, which tests of this or of other runs held, and gave up; raise its "
        "opening timeout, or raise [window] in dgbudget.toml, lower --dg-test-budget so that more tests fit at once, "
        "or run fewer workers"
    )
