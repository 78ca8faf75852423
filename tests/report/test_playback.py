"""When audio is heard that arrives in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.report.playback import Heard, Playback, in_long_parts


def heard(*steps: tuple[int, int] | int) -> list[tuple[int, int, int]]:
    """Return start, first sample and count of what is heard: a pair arrives, a number interrupts."""
    playback, parts, first = Playback(), list[Heard](), 0
    for step in steps:
        if isinstance(step, int):
            parts += playback.interrupted(step)
        else:
            at, count = step
            parts += playback.arrived(at, first, count)
            first += count
    parts += playback.finish()
    return [(part.start, part.first, part.count) for part in in_long_parts(parts)]


def test_what_arrives_early_waits_for_what_came_before() -> None:
    assert heard((100, 50), (110, 50), (120, 50)) == [(100, 0, 150)]


def test_what_arrives_late_is_heard_from_its_arrival_on() -> None:
    assert heard((100, 50), (170, 50)) == [(100, 0, 50), (170, 50, 50)]


def test_what_was_not_heard_when_the_user_speaks_is_dropped() -> None:
    assert heard((100, 50), (110, 50), 160, (300, 20)) == [(100, 0, 60), (300, 100, 20)]


def test_what_comes_right_after_an_interruption_is_heard_at_once() -> None:
    assert heard((100, 500), 160, (160, 20)) == [(100, 0, 60), (160, 500, 20)]


def test_an_interruption_in_silence_drops_nothing() -> None:
    assert heard((100, 50), 200, (300, 50)) == [(100, 0, 50), (300, 50, 50)]


def test_how_much_is_unheard() -> None:
    playback = Playback()
    assert playback.unheard(0) == 0
    list(playback.arrived(100, 0, 50))
    list(playback.arrived(110, 50, 50))
    assert [playback.unheard(at) for at in (110, 150, 200, 300)] == [90, 50, 0, 0]


@given(steps=st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(0, 80)), max_size=30))
def test_nothing_is_heard_before_it_came_twice_or_at_once_with_something_else(
    steps: list[tuple[int, int | None]],
) -> None:
    at, first, given_steps, arrivals = 0, 0, list[tuple[int, int] | int](), dict[int, int]()
    for later, count in steps:
        at += later
        given_steps.append(at if count is None else (at, count))
        for sample in range(first, first + (count or 0)):
            arrivals[sample] = at
        first += count or 0
    end, seen = 0, -1
    for start, sample, count in heard(*given_steps):
        assert start >= end
        assert sample > seen
        assert all(start + n >= arrivals[sample + n] for n in range(count))
        end, seen = start + count, sample + count - 1
