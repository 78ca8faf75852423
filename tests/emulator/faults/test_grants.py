"""Grants come and go with their tests; a grant's faults are kept while it may still be used."""

from __future__ import annotations

from typing import cast

from pytest_dgbudget.emulator.faults.grants import MOST, GrantedSession, Grants
from pytest_dgbudget.emulator.faults.kinds import read_fault

LIMIT = read_fault("limit", {"sessions": 0})


def test_a_grant_keeps_its_faults_while_no_more_than_the_most_are_named_after_it() -> None:
    grants = Grants()
    grants.named("first").add(LIMIT)
    for n in range(MOST - 1):
        grants.named(str(n))
    assert grants.named("first").faults == [LIMIT]


def test_of_more_than_the_most_the_one_that_was_not_named_for_longest_is_forgotten() -> None:
    grants = Grants()
    for name in ("first", "second", "first", *map(str, range(MOST - 1))):
        grants.named(name).faults[:] = [LIMIT]
    assert grants.named("first").faults == [LIMIT]
    assert grants.named("second").faults == []


def test_a_scenarios_faults_of_the_api_hold_once_however_often_its_file_is_read() -> None:
    grants = Grants()
    for _ in range(3):
        grants.script((read_fault("bill-slow", {"delay": "300ms"}),))
    assert grants.api_delay() == 0.3


def test_clearing_a_grant_clears_the_faults_of_the_api_that_were_added_for_it_and_no_others() -> None:
    grants = Grants()
    grants.script((read_fault("bill-slow", {"delay": "300ms"}),))
    for name in ("mine", "another's"):
        grants.add(grants.named(name), read_fault("bill-refused", {"times": 1}))
    grants.clear(grants.named("mine"))
    assert grants.api_delay() == 0.3
    assert [grants.api_refusal() is None for _ in range(2)] == [False, True]


def test_one_with_an_open_session_is_never_forgotten() -> None:
    grants = Grants()
    for n in range(MOST + 1):
        grants.named(f"busy {n}").sessions.add(cast(GrantedSession, object()))
    for n in range(MOST):
        grants.named(str(n))
    assert all(grants.named(f"busy {n}").sessions for n in range(MOST + 1))
