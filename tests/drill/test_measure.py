"""What counts as a leak, and how late a Close was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.drill.measure import SeenSession, lateness_ms, leak_ms

ALLOWANCE = 1500
DUE = 1350  # less a margin of a tenth


def session(opened_ms: int, closed_ms: int, *, close_seen_ms: int | None = None, name: str = "s") -> SeenSession:
    seen = closed_ms if close_seen_ms is None else close_seen_ms
    return SeenSession(id=name, opened_ms=opened_ms, close_seen_ms=seen, closed_ms=closed_ms)


@pytest.mark.parametrize(
    ("closed_ms", "charged_ms", "over_ms", "leaked"),
    [
        pytest.param(1400, 1410, {}, 0, id="nothing"),
        pytest.param(1700, 1700, {}, 200, id="after the end of the allowance"),
        pytest.param(1400, 1000, {}, 400, id="beyond what was charged"),
        pytest.param(1400, 1500, {"s": 1100}, 300, id="after its owner was gone"),
        pytest.param(1700, 1600, {"s": 1650}, 200, id="the most of them"),
        pytest.param(1400, 1500, {"s": 1450}, 0, id="closed before its test was over"),
        pytest.param(1400, 1500, {"another": 1}, 0, id="another session's owner"),
    ],
)
def test_a_leak_is_what_was_metered_beyond(
    closed_ms: int, charged_ms: int, over_ms: dict[str, int], leaked: int
) -> None:
    sessions = [session(0, closed_ms)]
    assert leak_ms(sessions, allowance_ms=ALLOWANCE, charged_ms=charged_ms, over_ms=over_ms) == leaked


def test_sessions_that_share_an_allowance_leak_what_they_used_beyond_it_together() -> None:
    sessions = [session(0, 800, name="a"), session(0, 900, name="b")]
    assert leak_ms(sessions, allowance_ms=ALLOWANCE, charged_ms=1700, over_ms={}) == 200


def test_a_close_is_late_from_the_deadline_on() -> None:
    sessions = [session(100, 1500, close_seen_ms=100 + DUE + 7)]
    assert lateness_ms(sessions, allowance_ms=ALLOWANCE, over_ms={}) == 7


def test_a_close_is_late_from_the_end_of_its_owner_on() -> None:
    sessions = [session(0, 500, close_seen_ms=480)]
    assert lateness_ms(sessions, allowance_ms=ALLOWANCE, over_ms={"s": 470}) == 10


def test_what_closed_by_itself_was_not_late() -> None:
    assert lateness_ms([session(0, 500)], allowance_ms=ALLOWANCE, over_ms={}) == 0


def test_two_sessions_at_once_are_due_when_their_lease_is_used_up_by_both() -> None:
    due = 1500 // 2 - 150
    sessions = [session(0, 900, close_seen_ms=due, name="a"), session(0, 900, close_seen_ms=due + 20, name="b")]
    assert 0 < lateness_ms(sessions, allowance_ms=ALLOWANCE, over_ms={}) <= 20


def test_what_was_due_stays_due_whatever_is_used_meanwhile() -> None:
    """Four that are closed two seconds late are two seconds late, not eight."""
    due = 1500 // 4 - 150
    sessions = [session(0, due + 2000, name=name) for name in "abcd"]
    assert lateness_ms(sessions, allowance_ms=ALLOWANCE, over_ms={}) == 2000


def test_time_in_which_nothing_is_open_uses_nothing_up() -> None:
    sessions = [session(0, 100, name="a"), session(60_000, 60_100, name="b")]
    assert lateness_ms(sessions, allowance_ms=ALLOWANCE, over_ms={}) == 0


INSTANTS = st.integers(0, 10_000)


@st.composite
def seen_sessions(draw: st.DrawFn) -> list[SeenSession]:
    instants = draw(st.lists(st.tuples(INSTANTS, INSTANTS, INSTANTS).map(sorted), min_size=1, max_size=6))
    return [
        session(opened, closed, close_seen_ms=seen, name=str(number))
        for number, (opened, seen, closed) in enumerate(instants)
    ]


@given(seen_sessions(), st.integers(1, 20_000), st.integers(0, 20_000), st.integers(0, 5000))
def test_whoever_closes_later_leaks_no_less(
    sessions: list[SeenSession], allowance_ms: int, charged_ms: int, later_ms: int
) -> None:
    over_ms = {each.id: each.opened_ms for each in sessions}
    later = [session(each.opened_ms, each.closed_ms + later_ms, name=each.id) for each in sessions]
    before = leak_ms(sessions, allowance_ms=allowance_ms, charged_ms=charged_ms, over_ms=over_ms)
    after = leak_ms(later, allowance_ms=allowance_ms, charged_ms=charged_ms, over_ms=over_ms)
    assert before + later_ms <= after


@given(seen_sessions(), st.integers(1, 20_000))
def test_no_close_is_early(sessions: list[SeenSession], allowance_ms: int) -> None:
    assert lateness_ms(sessions, allowance_ms=allowance_ms, over_ms={}) >= 0
