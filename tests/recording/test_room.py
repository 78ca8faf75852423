"""How much recordings may take."""

from __future__ import annotations

import pytest

from pytest_dgbudget.recording.room import Room, RoomFull, RunRoom

MIB = 1024 * 1024


def test_what_is_beyond_the_room_is_refused_whole_and_says_how_much_there_was() -> None:
    room = Room(2 * MIB, "the text of one session")
    room.take(2 * MIB - 1)
    with pytest.raises(RoomFull, match=r"^the text of one session may take 2 MiB, and no more is written$"):
        room.take(2)
    room.take(1)


def test_one_session_takes_no_more_text_than_it_may_and_leaves_room_for_others() -> None:
    run = RunRoom(most_text=100, most_audio=100, most_text_of_session=60)
    first, second = run.share(), run.share()
    first.take_text(60)
    with pytest.raises(RoomFull, match="the text of one session"):
        first.take_text(1)
    with pytest.raises(RoomFull, match="the texts of all recordings"):
        second.take_text(41)
    run.share().take_text(40)
    first.take_audio(100)


def test_what_is_dropped_makes_room_and_of_what_is_kept_the_audio_alone() -> None:
    run = RunRoom(most_text=100, most_audio=100)
    dropped, kept, later = run.share(), run.share(), run.share()
    for session in (dropped, kept):
        session.take_text(50)
        session.take_audio(50)
    dropped.give_back()
    kept.give_back_audio()
    with pytest.raises(RoomFull, match="texts"):
        later.take_text(51)
    later.take_text(50)
    later.take_audio(100)


def test_what_is_left_may_be_taken_in_part() -> None:
    room = Room(100, "audio")
    assert [room.take_up_to(size) for size in (60, 60, 60)] == [60, 40, 0]
