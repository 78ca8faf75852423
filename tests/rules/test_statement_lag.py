"""How a run's end waits for the statement, by how long it took in earlier runs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.rules.statement_lag import (
    FEWEST_RUNS,
    LONGEST_PAUSE_MS,
    StatementLag,
    next_pause_ms,
    quiet_ms,
    why_hopeless,
)

TIMES_MS = st.integers(0, 3_600_000)


@st.composite
def lags(draw: st.DrawFn) -> StatementLag:
    """What one run saw: the statement settled in between, if it saw both."""
    pending_ms, longer_ms = draw(st.none() | TIMES_MS), draw(TIMES_MS)
    settled_ms = draw(st.sampled_from([None, (pending_ms or 0) + longer_ms]))
    return StatementLag(pending_ms=pending_ms, settled_ms=settled_ms)


HISTORIES = st.lists(lags(), max_size=25)
IN_VAIN = st.lists(TIMES_MS.map(lambda ms: StatementLag(pending_ms=30_000 + ms)), min_size=3, max_size=25)


@given(HISTORIES, TIMES_MS)
def test_no_wait_is_given_up_by_which_a_statement_came_before(history: list[StatementLag], until_ms: int) -> None:
    if any(lag.settled_ms is not None and lag.settled_ms <= until_ms for lag in history):
        assert why_hopeless(history, until_ms) is None


@given(st.lists(lags(), max_size=FEWEST_RUNS - 1), TIMES_MS)
def test_fewer_than_three_runs_say_nothing(history: list[StatementLag], until_ms: int) -> None:
    assert (why_hopeless(history, until_ms), quiet_ms(history)) == (None, 0)


def test_runs_of_which_nothing_is_known_have_waited_for_nothing() -> None:
    assert why_hopeless([StatementLag()] * FEWEST_RUNS, 0) is None


@given(HISTORIES, TIMES_MS, TIMES_MS)
def test_whoever_waits_longer_gives_up_no_sooner(history: list[StatementLag], one_ms: int, other_ms: int) -> None:
    shorter_ms, longer_ms = sorted((one_ms, other_ms))
    if why_hopeless(history, longer_ms) is not None:
        assert why_hopeless(history, shorter_ms) is not None


@given(IN_VAIN, st.integers(0, 30_000))
def test_what_three_runs_waited_for_in_vain_is_not_waited_for(history: list[StatementLag], until_ms: int) -> None:
    assert why_hopeless(history, until_ms) is not None
    assert why_hopeless([*history, StatementLag(settled_ms=2 * until_ms)], until_ms) is None
    assert why_hopeless([*history, StatementLag(settled_ms=2 * until_ms + 1)], until_ms) is not None


@given(IN_VAIN, st.lists(st.integers(0, 20_000).map(lambda ms: StatementLag(pending_ms=ms)), max_size=25))
def test_runs_that_did_not_wait_change_nothing(waited: list[StatementLag], gave_up: list[StatementLag]) -> None:
    assert why_hopeless([*gave_up, *waited], 30_000) == why_hopeless(waited, 30_000)
    assert why_hopeless(gave_up, 30_000) is None


@given(HISTORIES)
def test_nothing_had_settled_within_the_quiet_time(history: list[StatementLag]) -> None:
    assert all(lag.settled_ms is None or lag.settled_ms >= quiet_ms(history) for lag in history)


@given(st.integers(0, 1000), st.integers(-3_600_000, 3_600_000), st.integers(0, 3_600_000))
def test_each_pause_leaves_half_of_the_time_for_later_readings(readings: int, quiet_left_ms: int, left_ms: int) -> None:
    pause_ms = next_pause_ms(readings, quiet_left_ms, left_ms)
    assert 100 <= pause_ms <= max(100, left_ms // 2)
    assert pause_ms <= max(LONGEST_PAUSE_MS, quiet_left_ms)
    if 2 * quiet_left_ms <= left_ms:
        assert pause_ms >= quiet_left_ms


def test_pauses_grow_to_five_seconds() -> None:
    assert [next_pause_ms(each, 0, 600_000) for each in range(8)] == [100, 200, 400, 800, 1600, 3200, 5000, 5000]


def test_the_figures_are_said() -> None:
    history = [StatementLag(pending_ms=ms) for ms in (29_900, 31_000, 30_000)]
    assert why_hopeless(history, 30_000) == (
        "it was not waited for: in 3 earlier runs the statement was incomplete 29.9s after the last session"
    )
    settled = [replace(history[0], settled_ms=840_000), *history[1:]]
    assert (why_hopeless(settled, 30_000) or "").endswith(", and complete after 14m at the latest")


@given(st.lists(st.tuples(TIMES_MS, st.booleans()), min_size=1, max_size=8))
def test_of_all_readings_the_last_pending_and_the_first_settled_one_count(readings: list[tuple[int, bool]]) -> None:
    lag = StatementLag()
    for at_ms, settled in readings:
        lag = lag.after_reading(at_ms, settled=settled)
    assert lag.pending_ms == max((at_ms for at_ms, settled in readings if not settled), default=None)
    assert lag.settled_ms == min((at_ms for at_ms, settled in readings if settled), default=None)
