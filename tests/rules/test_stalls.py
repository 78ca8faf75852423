"""Where a session waits for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import Stall
from pytest_dgbudget.rules.stalls import ONE_WAY_MS, QUIET_MS, Stalls, stall_sentence


class Watched:
    def __init__(self) -> None:
        self.found: list[Stall] = []
        self.stalls = Stalls(self.found.append)

    def sent(self, *moments: int) -> None:
        for at_ms in moments:
            self.stalls.user_audio(at_ms)


@pytest.mark.parametrize(("until", "stalled"), [(ONE_WAY_MS - 1, False), (ONE_WAY_MS, True)])
def test_audio_to_which_nothing_comes_back_until_the_end_is_a_stall(until: int, stalled: bool) -> None:
    watched = Watched()
    watched.sent(100, 5000, 100 + until)
    watched.stalls.ended(100 + until)
    assert watched.found == [Stall(kind="one-way", at_ms=100, ms=until)] * stalled


def test_a_user_who_is_silent_for_long_is_none_as_soon_as_anything_comes() -> None:
    watched = Watched()
    for n in range(10):
        watched.sent(n * 15_000, n * 15_000 + 14_900)
        watched.stalls.vendor_sent()
    watched.stalls.ended(150_000)
    assert watched.found == []


def test_a_pause_of_the_clients_is_none() -> None:
    watched = Watched()
    watched.sent(0, 100)
    watched.stalls.ended(60_000)
    assert watched.found == []


def test_what_lasts_to_the_end_is_one() -> None:
    watched = Watched()
    watched.sent(0, 12_000)
    watched.stalls.ended(12_100)
    assert [stall.kind for stall in watched.found] == ["one-way"]


@pytest.mark.parametrize(("quiet", "found"), [(QUIET_MS - 1, False), (QUIET_MS, True)])
def test_a_turn_after_which_no_audio_came_has_not_ended(quiet: int, found: bool) -> None:
    watched = Watched()
    watched.sent(0, 1500)
    watched.stalls.user_started()
    watched.stalls.ended(1500 + quiet)
    assert watched.found == [Stall(kind="turn-not-ended", at_ms=1500, ms=quiet)] * found


def test_a_turn_that_was_taken_has_ended() -> None:
    watched = Watched()
    watched.sent(0, 1500)
    watched.stalls.user_started()
    watched.stalls.user_said()
    watched.stalls.ended(20_000)
    assert watched.found == []


def test_it_is_said_with_times_and_what_to_change() -> None:
    said = stall_sentence(Stall(kind="turn-not-ended", at_ms=1500, ms=9800), "r1")
    assert said == (
        "session r1: the user began to speak, the last audio was sent 1.5s after its dial, and the session ended 9.8s "
        "later without a turn: a turn ends by audio that arrives, silence included, so let the client go on with "
        "silence"
    )
    assert stall_sentence(Stall(kind="one-way", at_ms=0, ms=12_000), None) == (
        "a session without an id: from 0s after its dial on, user audio was sent for 12s, and nothing more came back"
    )


@given(st.lists(st.tuples(st.sampled_from(["sent", "back", "started", "said"]), st.integers(0, 20_000)), max_size=30))
def test_no_stall_is_longer_than_the_session(steps: list[tuple[str, int]]) -> None:
    watched, now = Watched(), 0
    for what, after in steps:
        now += after
        if what == "sent":
            watched.sent(now)
        elif what == "back":
            watched.stalls.vendor_sent()
        elif what == "started":
            watched.stalls.user_started()
        else:
            watched.stalls.user_said()
    watched.stalls.ended(now)
    assert all(stall.at_ms >= 0 and stall.at_ms + stall.ms <= now and stall.ms > 0 for stall in watched.found)
