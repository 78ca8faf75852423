"""When a gateway counts as hung."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.protocol.heartbeat import HEARTBEAT_MS, MISSES, HeartbeatMonitor

ON_TIME = st.integers(HEARTBEAT_MS, HEARTBEAT_MS + 100)
HELD_UP = st.integers(1001, 60_000)


def looks(monitor: HeartbeatMonitor, gaps: list[int]) -> list[bool]:
    return [monitor.is_hung(monitor.looked_at_ms + gap) for gap in gaps]


@given(st.lists(ON_TIME, min_size=MISSES + 1, max_size=20))
def test_it_hangs_when_too_many_heartbeats_in_a_row_are_missing(gaps: list[int]) -> None:
    hung = looks(HeartbeatMonitor(0), gaps)
    assert hung == [False] * MISSES + [True] * (len(gaps) - MISSES)


@given(st.lists(ON_TIME, max_size=MISSES - 1), st.lists(ON_TIME, max_size=MISSES - 1))
def test_a_heartbeat_in_between_begins_the_count_again(before: list[int], after: list[int]) -> None:
    monitor = HeartbeatMonitor(0)
    hung = looks(monitor, before)
    monitor.heard()
    assert not any(hung + looks(monitor, after))


@given(st.lists(st.tuples(st.lists(ON_TIME, max_size=MISSES), HELD_UP), max_size=10))
def test_an_owner_that_was_held_up_itself_does_not_know_who_was_late(rounds: list[tuple[list[int], int]]) -> None:
    monitor = HeartbeatMonitor(0)
    for gaps, held_up in rounds:
        assert not any(looks(monitor, gaps))
        assert not monitor.is_hung(monitor.looked_at_ms + held_up)
