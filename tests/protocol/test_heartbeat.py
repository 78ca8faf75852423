"""When a gateway counts as hung."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.protocol.heartbeat import HEARTBEAT_MS, MISSES, Heartbeat

ON_TIME = st.integers(HEARTBEAT_MS, HEARTBEAT_MS + 100)
HELD_UP = st.integers(1001, 60_000)


def looks(beats: Heartbeat, gaps: list[int]) -> list[bool]:
    return [beats.is_hung(beats.looked_at_ms + gap) for gap in gaps]


@given(st.lists(ON_TIME, min_size=MISSES + 1, max_size=20))
def test_it_hangs_when_so_many_beats_in_a_row_are_missing(gaps: list[int]) -> None:
    told = looks(Heartbeat(0), gaps)
    assert told == [False] * MISSES + [True] * (len(gaps) - MISSES)


@given(st.lists(ON_TIME, max_size=MISSES - 1), st.lists(ON_TIME, max_size=MISSES - 1))
def test_a_beat_in_between_begins_the_count_again(before: list[int], after: list[int]) -> None:
    beats = Heartbeat(0)
    told = looks(beats, before)
    beats.heard()
    assert not any(told + looks(beats, after))


@given(st.lists(st.tuples(st.lists(ON_TIME, max_size=MISSES), HELD_UP), max_size=10))
def test_an_owner_that_was_held_up_itself_can_not_tell_who_was_late(rounds: list[tuple[list[int], int]]) -> None:
    beats = Heartbeat(0)
    for gaps, held_up in rounds:
        assert not any(looks(beats, gaps))
        assert not beats.is_hung(beats.looked_at_ms + held_up)
