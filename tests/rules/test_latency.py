"""Turns and their latencies, by what passes and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import MeasuredTurn
from pytest_dgbudget.rules.latency import OpenTurn, Turns
from pytest_dgbudget.rules.percentiles import judged_latencies_ms, percentile_ms
from pytest_dgbudget.rules.speech import HeardSpeech


class Session:
    """A session whose Settings were applied at 100 ms, with a greeting or without."""

    def __init__(self, greeting: str | None = "") -> None:
        self.ended: list[MeasuredTurn] = []
        self.turns = Turns(self.ended.append)
        self.turns.settings(greeting)
        self.turns.settings_applied(100)

    def user_speaks(self, until_ms: int | None, text_ms: int, said: str = "hello", *, unpaced: bool = False) -> None:
        """Have the user speak until then, and the vendor say so later; None: nothing in the audio is loud."""
        self.turns.user_started()
        turn = self.turns.user_said(said, text_ms, readable=True)
        assert isinstance(turn, OpenTurn)
        turn.heard(HeardSpeech(until_ms, unpaced))
        self.turns.hand_over()

    @property
    def latencies_ms(self) -> list[int | None]:
        return [turn.latency_ms for turn in self.ended]

    @property
    def one(self) -> MeasuredTurn:
        (turn,) = self.ended
        return turn


def test_a_turn_lasts_from_the_end_of_the_users_speech_to_the_agents_first_audio() -> None:
    session = Session()
    session.user_speaks(1000, 1300)
    session.turns.agent_audio(2000)
    session.turns.agent_audio(2020)
    assert (session.one.latency_ms, session.one.since, session.one.started_ms) == (1000, "audio", 1000)


def test_an_injected_text_begins_a_turn_as_it_passes_and_its_echo_none() -> None:
    session = Session()
    session.turns.user_injected(" What time is it? ", 500)
    assert session.turns.user_said("What time is it?", 520, readable=True) is None
    session.turns.agent_audio(900)
    assert (session.one.latency_ms, session.one.since) == (400, "text")


def test_audio_that_cannot_be_read_is_measured_from_the_transcript_and_kept_apart() -> None:
    session = Session()
    session.turns.user_said("hello", 1300, readable=False)
    session.turns.agent_audio(2000)
    assert (session.one.latency_ms, session.one.since) == (700, "transcript")
    assert judged_latencies_ms(session.ended) == []


def test_audio_in_which_nothing_is_loud_is_measured_from_the_transcript() -> None:
    session = Session()
    session.user_speaks(None, 1300)
    session.turns.agent_audio(2000)
    assert (session.one.latency_ms, session.one.since) == (700, "transcript")


def test_of_several_parts_before_one_answer_the_last_counts() -> None:
    session = Session()
    session.user_speaks(1000, 1300)
    session.user_speaks(2500, 2700)
    session.turns.agent_audio(3000)
    assert session.latencies_ms == [None, 500]
    assert [turn.continued for turn in session.ended] == [True, False]
    assert judged_latencies_ms(session.ended) == [500]


def test_a_turn_without_an_answer_is_slower_than_any_limit() -> None:
    session = Session()
    session.user_speaks(1000, 1300)
    session.turns.session_ended()
    assert judged_latencies_ms(session.ended) == [None]
    assert percentile_ms([None, 5], 50) == 5
    assert percentile_ms([None, 5], 95) is None


def test_a_filler_before_a_function_is_an_answer() -> None:
    session = Session()
    session.user_speaks(1000, 1300)
    session.turns.agent_audio(1500)
    session.turns.functions_called(["f"], 1600)
    session.turns.functions_over(["f"], 2600)
    session.turns.agent_audio(3000)
    assert (session.one.latency_ms, session.one.function_ms) == (500, 0)


def test_the_time_of_client_functions_before_the_answer_stands_beside_it() -> None:
    session = Session()
    session.user_speaks(1000, 1300)
    session.turns.functions_called(["f", "g"], 1500)
    session.turns.functions_over(["f"], 1700)
    session.turns.functions_over(["g"], 2200)
    session.turns.functions_called(["h"], 2300)
    session.turns.agent_audio(2400)
    assert (session.one.latency_ms, session.one.function_ms) == (1400, 800)


def test_a_turn_that_overlaps_the_agents_speech_starts_when_that_was_sent() -> None:
    session = Session()
    session.turns.agent_audio(200)
    session.turns.user_injected("hello", 300)
    session.turns.agent_audio(400)
    session.turns.agent_audio_done(900)
    session.turns.agent_audio(1100)
    assert (session.one.latency_ms, session.one.overlapped, session.one.started_ms) == (200, True, 900)


@pytest.mark.parametrize("done_ms", [1010, None], ids=["with AgentAudioDone", "without"])
@pytest.mark.parametrize("late_ms", [(), (1015, 1020)], ids=["no late frames", "late frames"])
def test_a_barge_in_ends_what_the_agent_said_with_or_without_its_end(
    done_ms: int | None, late_ms: tuple[int, ...]
) -> None:
    session = Session()
    session.turns.agent_audio(200)
    session.turns.user_started()
    if done_ms is not None:
        session.turns.agent_audio_done(done_ms)
    for at_ms in late_ms:
        session.turns.agent_audio(at_ms)
    session.user_speaks(2000, 2200)
    session.turns.agent_audio(2500)
    assert (session.one.latency_ms, session.one.overlapped) == (500, False)


def test_the_greeting_is_no_turn() -> None:
    session = Session(greeting="Hello, how can I help?")
    session.turns.agent_audio(350)
    session.turns.agent_audio_done(900)
    session.turns.session_ended()
    assert (session.turns.greeting_ms, session.ended) == (250, [])


def test_what_is_said_before_the_greeting_began_is_answered_after_it() -> None:
    session = Session(greeting="Hello, how can I help?")
    session.turns.user_injected("Where is my order?", 110)
    session.turns.agent_said("Hello, how can I help?")
    session.turns.agent_audio(200)
    session.turns.agent_audio_done(800)
    session.turns.agent_audio(1000)
    assert (session.turns.greeting_ms, session.one.latency_ms, session.one.overlapped) == (100, 200, True)


def test_where_the_agent_answers_instead_of_greeting_that_is_the_answer() -> None:
    session = Session(greeting="Hello, how can I help?")
    session.turns.user_injected("Where is my order?", 110)
    session.turns.agent_said("It is on its way.")
    session.turns.agent_audio(400)
    assert (session.turns.greeting_ms, session.one.latency_ms, session.one.overlapped) == (None, 290, False)


@pytest.mark.parametrize(("greeting", "greeting_ms"), [(None, 200), ("", None)], ids=["reusable agent", "none"])
def test_audio_before_anybody_spoke_greets_unless_there_is_no_greeting(
    greeting: str | None, greeting_ms: int | None
) -> None:
    session = Session(greeting=greeting)
    session.turns.agent_audio(300)
    assert session.turns.greeting_ms == greeting_ms


def test_an_injected_message_of_the_agents_is_no_turn_and_no_greeting() -> None:
    session = Session(greeting=None)
    session.turns.agent_injected()
    session.turns.agent_audio(300)
    session.turns.session_ended()
    assert (session.turns.greeting_ms, session.ended) == (None, [])


def test_audio_that_came_too_fast_is_marked_and_not_judged() -> None:
    session = Session()
    session.user_speaks(1000, 1300, unpaced=True)
    session.turns.agent_audio(2000)
    assert session.one.unpaced
    assert judged_latencies_ms(session.ended) == []


def test_turns_are_handed_over_in_order_once_their_audio_was_read() -> None:
    session = Session()
    first = session.turns.user_said("one", 1000, readable=True)
    session.turns.user_injected("two", 2000)
    session.turns.agent_audio(2100)
    assert session.ended == []
    assert session.turns.awaits_speech
    assert first is not None
    first.heard(HeardSpeech(900, False))
    session.turns.hand_over()
    assert session.latencies_ms == [None, 100]


def test_percentiles_are_nearest_rank() -> None:
    assert percentile_ms([50, 10, 40, 20, 30], 95) == 50
    assert percentile_ms([50, 10, 40, 20, 30], 50) == 30
    assert percentile_ms([], 50) is None


STEPS = st.lists(
    st.sampled_from(
        ["inject", "speech", "start", "agent", "text", "done", "call", "answer", "inject agent", "other text"]
    ),
    max_size=40,
)


@given(greeting=st.sampled_from([None, "", "hello there"]), steps=STEPS)
def test_whatever_happens_each_part_of_the_users_is_one_turn_and_none_takes_less_than_no_time(
    greeting: str | None, steps: list[str]
) -> None:
    session, parts = Session(greeting), 0
    turns = session.turns
    for number, step in enumerate(steps):
        at_ms = 200 + 10 * number
        if step in {"inject", "speech"}:
            parts += 1
        if step == "inject":
            turns.user_injected(f"part {number}", at_ms)
        elif step == "speech":
            session.user_speaks(at_ms - 5, at_ms, f"part {number}")
        elif step == "start":
            turns.user_started()
        elif step == "agent":
            turns.agent_audio(at_ms)
        elif step == "text":
            turns.agent_said("hello")
        elif step == "other text":
            turns.agent_said("something else")
        elif step == "done":
            turns.agent_audio_done(at_ms)
        elif step == "call":
            turns.functions_called(["f"], at_ms)
        elif step == "answer":
            turns.functions_over(["f"], at_ms)
        else:
            turns.agent_injected()
    turns.session_ended()
    assert len(session.ended) == parts
    assert all((latency_ms or 0) >= 0 for latency_ms in session.latencies_ms)
    assert all(turn.function_ms >= 0 for turn in session.ended)
    assert sum(turn.continued for turn in session.ended) <= max(0, parts - 1)


def test_a_call_that_nobody_answered_counts_to_no_later_turn() -> None:
    session = Session()
    session.turns.user_injected("one", 1000)
    session.turns.functions_called(["f"], 1500)
    session.turns.user_started()
    session.turns.user_injected("two", 3000)
    session.turns.agent_audio(4000)
    assert [turn.function_ms for turn in session.ended] == [0, 0]


def test_of_an_overlapped_turn_only_functions_after_its_start_count() -> None:
    session = Session()
    session.turns.agent_audio(200)
    session.turns.user_injected("one", 300)
    session.turns.functions_called(["f"], 400)
    session.turns.functions_over(["f"], 1400)
    session.turns.agent_audio_done(2000)
    session.turns.agent_audio(2200)
    assert (session.one.latency_ms, session.one.function_ms) == (200, 0)


def test_a_message_that_is_injected_for_the_agent_ends_what_the_user_seemed_to_say() -> None:
    session = Session()
    session.turns.user_started()
    session.turns.agent_injected()
    session.turns.agent_audio(500)
    session.turns.user_injected("one", 600)
    session.turns.agent_audio(620)
    session.turns.agent_audio_done(900)
    session.turns.agent_audio(1000)
    assert (session.one.latency_ms, session.one.overlapped) == (100, True)


def test_the_users_part_comes_after_what_was_said_before_the_last_answer() -> None:
    session = Session()
    session.user_speaks(1000, 1300)
    session.turns.agent_audio(2000)
    again = session.turns.user_said("next", 5000, readable=True)
    assert again is not None
    assert again.after_ms == 1300
