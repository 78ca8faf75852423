"""When another key is made for a run, and which keys are ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.run_keys import comment_of, has_expired, is_due, is_usable, run_of

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("hours", "due", "usable", "expired"),
    [
        (0, False, True, False),
        (22.99, False, True, False),
        (23, True, True, False),
        (23.98, True, True, False),
        (24, True, False, False),
        (24.02, True, False, True),
    ],
)
def test_a_key_is_replaced_at_23_hours_and_left_unused_before_it_expires(
    hours: float, due: bool, usable: bool, expired: bool
) -> None:
    made, now = 5_000, 5_000 + round(hours * HOUR_MS)
    assert (is_due(made, now), is_usable(made, now), has_expired(made, now)) == (due, usable, expired)


@given(st.integers(0, 10**12), st.integers(0, 10**9))
def test_what_is_usable_has_not_expired_and_what_is_not_due_is_usable(made: int, age: int) -> None:
    assert not (is_usable(made, made + age) and has_expired(made, made + age))
    assert is_due(made, made + age) or is_usable(made, made + age)


@given(st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True))
def test_a_comment_names_its_run(run: str) -> None:
    assert run_of(comment_of(run)) == run


@pytest.mark.parametrize(
    "comment",
    ["", "dgbudget", "dgbudget-run", "the production key", " dgbudget run", "dgbudget \x1b[31m", "dgbudget a b"],
)
def test_other_comments_name_none(comment: str) -> None:
    assert run_of(comment) is None
