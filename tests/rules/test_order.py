"""The order of a session's messages: what the vendor may do is no violation, each thing that it may not do is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.model import Violation
from pytest_dgbudget.rules.order import LATE_FRAMES, MOST_OPEN_CALLS, MOST_VIOLATIONS, OrderRules

from .strategies import VALUES

# Who said what: the client, the vendor, or the agent's audio with its frames. One step takes 10 ms.
Step = tuple[str, dict[str, Any]]


def vendor(kind: str, **fields: Any) -> Step:
    return "vendor", {"type": kind, **fields}


def client(kind: str, **fields: Any) -> Step:
    return "client", {"type": kind, **fields}


def audio(frames: int) -> Step:
    return "audio", {"frames": frames}


def text(role: str) -> Step:
    return vendor("ConversationText", role=role, content="what was said")


def call(call_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": call_id, "name": "lookup", "arguments": "{}", "client_side": True, **fields}


WELCOME, APPLIED, DONE = vendor("Welcome", request_id="r"), vendor("SettingsApplied"), vendor("AgentAudioDone")
SETTINGS, INTERRUPTS = client("Settings"), vendor("UserStartedSpeaking")
START = [WELCOME, SETTINGS, APPLIED]
GREETING = [text("assistant"), audio(5), DONE]


def violations_of(steps: Iterable[Step], *, cut: bool = False, skips: bool = False) -> list[Violation]:
    """``skips``: audio is passed over while nobody watches it, as the caller does."""
    found: list[Violation] = []
    rules = OrderRules(found.append)
    at_ms = 0
    for who, what in steps:
        at_ms += 10
        if who == "client":
            rules.client_said(what["type"], what, at_ms)
        elif who == "vendor":
            rules.vendor_said(what["type"], what, at_ms)
        elif rules.watches_audio or not skips:
            rules.agent_audio(what["frames"], at_ms)
    rules.ended(at_ms + 10, cut)
    return found


def broken(steps: Iterable[Step], *, cut: bool = False) -> list[tuple[str, int]]:
    return [(violation.rule, violation.at_ms) for violation in violations_of(steps, cut=cut)]


# Dialogues that were seen -----------------------------------------------------------------------------------------


def one_of(*choices: list[Step]) -> st.SearchStrategy[list[Step]]:
    return st.sampled_from(choices)


@st.composite
def sentences(draw: st.DrawFn, is_2026: bool) -> list[Step]:
    """One sentence; its first frame may come before its text."""
    history = [vendor("History", role="assistant", content="x")] if draw(st.booleans()) else []
    reports = [vendor("LatencyReport", tts_latency=0.1)] if is_2026 else []
    early = [audio(1)] if draw(st.booleans()) else []
    return [*early, text("assistant"), *history, *reports, audio(draw(st.integers(0, 40)))]


@st.composite
def functions(draw: st.DrawFn, is_2026: bool, ids: Callable[[], str]) -> list[Step]:
    """One request, its answers, and a sentence that may be spoken meanwhile."""
    calls = [call(ids()) for _ in range(draw(st.integers(1, 2)))]
    answers = [client("FunctionCallResponse", id=one["id"], name="lookup", content="42") for one in calls]
    echoes: list[Step] = [("vendor", answer) for _, answer in answers] if is_2026 and draw(st.booleans()) else []
    filler = draw(sentences(is_2026)) if draw(st.booleans()) else []
    on_server = [vendor("FunctionCallRequest", functions=[call(ids(), client_side=False)])]
    request = [vendor("FunctionCallRequest", functions=calls)]
    history = [vendor("History", function_calls=calls)]
    return [*draw(one_of([], on_server)), *request, *filler, *answers, *echoes, *history]


@st.composite
def barge_ins(draw: st.DrawFn, ids: Callable[[], str]) -> list[Step]:
    """The user interrupts a sentence or a function; AgentAudioDone may be missing, late frames and a sentence come."""
    open_call = ids()
    request = [vendor("FunctionCallRequest", functions=[call(open_call)])]
    cancelled = [vendor("FunctionCallCancelled", functions=[{"id": open_call, "name": "lookup"}])]
    late_answer = [client("FunctionCallResponse", id=open_call, name="lookup", content="42")]
    interrupted = draw(one_of([text("assistant"), audio(9)], request))
    after = draw(one_of([], cancelled, late_answer)) if interrupted is request else []
    done = draw(one_of([], [DONE], [DONE, audio(1)], [DONE, audio(1), audio(2)], [DONE, audio(2), text("assistant")]))
    return [*interrupted, INTERRUPTS, *after, *done, *draw(one_of([], [vendor("LatencyReport", stt_latency=0.2)]))]


@st.composite
def user_parts(draw: st.DrawFn, is_2026: bool) -> list[Step]:
    end_of_turn = [vendor("EndOfTurn", trigger="model")] if is_2026 else []
    spoken = [INTERRUPTS, *end_of_turn, text("user"), vendor("History", role="user", content="x")]
    typed = [client("InjectUserMessage", content="x"), text("user")]
    # The vendor's echo came for every one; nothing says that it must.
    unechoed = [client("InjectUserMessage", content="x")]
    return draw(one_of(spoken, typed, unechoed))


@st.composite
def agent_parts(draw: st.DrawFn, is_2026: bool, ids: Callable[[], str]) -> list[Step]:
    thinking = draw(one_of([], [vendor("AgentThinking", content="x")], [vendor("AgentStartedSpeaking")]))
    function = draw(functions(is_2026, ids)) if draw(st.booleans()) else []
    spoken = [step for _ in range(draw(st.integers(1, 3))) for step in draw(sentences(is_2026))]
    return [*thinking, *function, *spoken, DONE]


@st.composite
def dialogues(draw: st.DrawFn) -> list[Step]:
    """A session as it is documented, or as live ones of 2025 and 2026 were seen."""
    is_2026 = draw(st.booleans())
    numbers = count()

    def ids() -> str:
        return f"call_{next(numbers)}"

    steps = [*START, *draw(one_of([], GREETING, [audio(1), *GREETING]))]
    for _ in range(draw(st.integers(0, 3))):
        steps += draw(user_parts(is_2026))
        if draw(st.booleans()):
            steps += [*draw(barge_ins(ids)), text("user")]
        steps += draw(agent_parts(is_2026, ids))
        # A remark of the agent's own, or one that it was told to make.
        told = client("InjectAgentMessage", message="x")
        steps += draw(one_of([], [*draw(sentences(is_2026)), DONE], [told, audio(7), text("assistant"), DONE]))
    return steps


@given(dialogues())
def test_a_dialogue_as_it_was_seen_breaks_no_rule(steps: list[Step]) -> None:
    assert violations_of(steps) == []


@given(dialogues(), st.integers(0, 10**6))
def test_a_dialogue_that_ends_anywhere_breaks_no_rule_when_it_was_cut(steps: list[Step], at: int) -> None:
    assert violations_of(steps[: at % (len(steps) + 1)], cut=True) == []


# One thing wrong ----------------------------------------------------------------------------------------------------


def without_welcome(steps: list[Step], at: int) -> list[Step]:
    return steps[1:]


def late_welcome(steps: list[Step], at: int) -> list[Step]:
    return [SETTINGS, APPLIED, WELCOME, *steps[3:]]


def second_welcome(steps: list[Step], at: int) -> list[Step]:
    return [*steps[:at], WELCOME, *steps[at:]]


def without_settings_applied(steps: list[Step], at: int) -> list[Step]:
    return [step for step in steps if step != APPLIED]


def late_settings_applied(steps: list[Step], at: int) -> list[Step]:
    return [WELCOME, SETTINGS, steps[3], APPLIED, *steps[4:]]


def audio_after_the_last_done(steps: list[Step], at: int) -> list[Step]:
    return [*steps, DONE, *[audio(1)] * (LATE_FRAMES + 1)]


def audio_after_any_done(steps: list[Step], at: int) -> list[Step]:
    places = [n for n, step in enumerate(steps, 1) if step == DONE]
    place = places[at % len(places)]
    return [*steps[:place], audio(LATE_FRAMES + 1), *steps[place:]]


def unanswered_call(steps: list[Step], at: int) -> list[Step]:
    return [*steps, vendor("FunctionCallRequest", functions=[call("open")])]


def call_answered_with_another_id(steps: list[Step], at: int) -> list[Step]:
    return [*unanswered_call(steps, at), client("FunctionCallResponse", id="other", name="lookup", content="42")]


def error(steps: list[Step], at: int) -> list[Step]:
    return [*steps[:at], vendor("Error", code="FAILED_TO_THINK", description="x"), *steps[at:]]


Mutation = Callable[[list[Step], int], list[Step]]
MUTATIONS: dict[Mutation, str] = {
    without_welcome: "welcome-first",
    late_welcome: "welcome-first",
    second_welcome: "one-welcome",
    without_settings_applied: "settings-applied-first",
    late_settings_applied: "settings-applied-first",
    audio_after_the_last_done: "no-audio-after-done",
    audio_after_any_done: "no-audio-after-done",
    unanswered_call: "function-answered",
    call_answered_with_another_id: "function-answered",
    error: "no-error",
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@given(steps=dialogues(), at=st.integers(1, 10**6))
def test_one_wrong_thing_in_any_dialogue_is_found_and_nothing_else(
    mutation: Mutation, steps: list[Step], at: int
) -> None:
    wrong = mutation([*START, *GREETING, *steps[3:]], 1 + at % (len(steps) + 2))
    (found,) = violations_of(wrong)
    assert found.rule == MUTATIONS[mutation]


# When, and how often -------------------------------------------------------------------------------------------------


def test_a_rule_of_the_start_is_reported_once_when_it_is_broken_first() -> None:
    steps = [SETTINGS, DONE, audio(1), text("assistant"), WELCOME, APPLIED, text("assistant")]
    assert broken(steps) == [("welcome-first", 20), ("settings-applied-first", 20)]
    assert broken([audio(1), audio(1)]) == [("welcome-first", 10), ("settings-applied-first", 10)]


@pytest.mark.parametrize("kind", ["Error", "Warning", "History", "LatencyReport", "EndOfTurn"])
def test_what_is_not_the_agents_may_come_before_settings_applied(kind: str) -> None:
    assert "settings-applied-first" not in {rule for rule, _ in broken([WELCOME, vendor(kind), *START[1:]])}


def test_a_session_in_which_nothing_came_breaks_no_rule() -> None:
    assert broken([]) == broken([SETTINGS]) == []


def test_audio_after_its_done_is_reported_once_a_turn_when_it_exceeds_the_late_frames() -> None:
    late = [audio(1)] * 6
    turn = [text("user"), text("assistant"), audio(2), DONE, *late]
    assert broken([*START, *turn, *turn]) == [("no-audio-after-done", 110), ("no-audio-after-done", 210)]


def test_a_second_done_gives_no_further_late_frames() -> None:
    assert broken([*START, *GREETING, audio(2), DONE, audio(2)]) == [("no-audio-after-done", 90)]


@pytest.mark.parametrize(
    "step",
    [
        text("assistant"),
        text("user"),
        client("InjectUserMessage", content="x"),
        client("InjectAgentMessage", message="x"),
        client("FunctionCallResponse", id="1", name="x", content="x"),
        vendor("AgentThinking", content="x"),
        vendor("AgentStartedSpeaking"),
        vendor("FunctionCallRequest", functions=[]),
        vendor("FunctionCallResponse", id="1", name="x", content="x"),
    ],
    ids=lambda step: f"{step[0]} {step[1]['type']}",
)
def test_after_what_gives_it_the_floor_the_agent_may_speak_again(step: Step) -> None:
    assert broken([*START, *GREETING, audio(3), step, audio(9)]) == []


@pytest.mark.parametrize(
    "step", [INTERRUPTS, vendor("History"), vendor("LatencyReport"), client("KeepAlive")], ids=lambda s: s[1]["type"]
)
def test_other_messages_do_not_let_the_agent_speak_again(step: Step) -> None:
    assert broken([*START, *GREETING, step, audio(4)]) == [("no-audio-after-done", 80)]


ASKED = vendor("FunctionCallRequest", functions=[call("1"), call("2"), call("3", client_side=False)])


def test_each_open_call_is_reported_with_the_time_of_its_request_and_how_long_it_waited() -> None:
    violations = violations_of([*START, ASKED, client("FunctionCallResponse", id="1"), *[vendor("History")] * 100])
    (found,) = violations
    assert (found.rule, found.at_ms) == ("function-answered", 40)
    assert found.what.endswith("until the session ended, 1.02s later")


@pytest.mark.parametrize(
    "step", [INTERRUPTS, vendor("FunctionCallCancelled", functions=[{"id": "1"}, {"id": "2"}])], ids=["user", "vendor"]
)
def test_a_cancelled_call_needs_no_answer(step: Step) -> None:
    assert broken([*START, ASKED, step]) == []


def test_a_session_that_was_cut_owes_no_answers() -> None:
    assert broken([*START, ASKED], cut=True) == []


def test_an_end_is_judged_once() -> None:
    found: list[Violation] = []
    rules = OrderRules(found.append)
    rules.vendor_said("Welcome", {}, 1)
    rules.vendor_said("SettingsApplied", {}, 2)
    rules.vendor_said(*_message(ASKED), 3)
    rules.ended(4, False)
    rules.ended(5, False)
    assert len(found) == 2


def _message(step: Step) -> tuple[str, dict[str, Any]]:
    return step[1]["type"], step[1]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("FAILED_TO_THINK", "FAILED_TO_THINK"),
        ("my secret", "without a code"),
        (5, "without a code"),
        ("x" * 81, "w"),
    ],
)
def test_an_error_is_reported_with_its_code_and_nothing_else_of_it(code: object, shown: str) -> None:
    (found,) = violations_of([*START, vendor("Error", code=code, description="the user said hello")])
    assert found.what.startswith(f"the vendor reported an Error, {shown}")
    assert "hello" not in found.what


# Whatever comes ------------------------------------------------------------------------------------------------------

KINDS = st.sampled_from(
    [
        "AgentAudioDone",
        "ConversationText",
        "Error",
        "FunctionCallCancelled",
        "FunctionCallRequest",
        "FunctionCallResponse",
        "InjectUserMessage",
        "Settings",
        "SettingsApplied",
        "Unheard Of",
        "UserStartedSpeaking",
        "Welcome",
    ]
)
CALLS = st.fixed_dictionaries({"id": st.sampled_from(["1", "2"]) | VALUES, "client_side": st.just(True) | VALUES})
MESSAGES = st.builds(
    lambda kind, fields, functions: {**fields, "functions": functions, "type": kind},
    KINDS,
    st.dictionaries(st.sampled_from(["id", "code"]), VALUES),
    st.lists(CALLS | VALUES, max_size=3) | VALUES,
)
ANY_STEPS = st.lists(st.tuples(st.sampled_from(["client", "vendor"]), MESSAGES) | st.integers(0, 5).map(audio))


@given(ANY_STEPS)
def test_no_json_raises_and_audio_that_is_not_watched_changes_nothing(steps: list[Step]) -> None:
    assert violations_of(steps) == violations_of(steps, skips=True)


def test_audio_is_not_watched_while_the_agent_may_speak() -> None:
    rules = OrderRules(lambda violation: None)
    assert rules.watches_audio
    rules.vendor_said("Welcome", {}, 1)
    assert rules.watches_audio
    rules.vendor_said("SettingsApplied", {}, 2)
    assert not rules.watches_audio
    rules.vendor_said("AgentAudioDone", {}, 3)
    assert rules.watches_audio
    rules.agent_audio(4, 5)
    assert not rules.watches_audio, "it has been said"


def test_audio_before_the_start_is_watched_until_it_has_been_said() -> None:
    rules = OrderRules(lambda violation: None)
    rules.agent_audio(1, 1)
    assert not rules.watches_audio


def test_no_more_violations_are_reported_than_a_hundred() -> None:
    errors = [vendor("Error", code="X")] * 150
    assert len(violations_of([*START, *errors])) == MOST_VIOLATIONS == 100


def test_no_more_calls_are_kept_open_than_a_thousand() -> None:
    requests = [vendor("FunctionCallRequest", functions=[call(f"{n}")]) for n in range(1500)]
    answers = [client("FunctionCallResponse", id=f"{n}") for n in range(MOST_OPEN_CALLS)]
    assert MOST_OPEN_CALLS == 1000
    assert broken([*START, *requests, *answers]) == []


def test_a_call_with_an_endless_id_is_not_kept() -> None:
    assert broken([*START, vendor("FunctionCallRequest", functions=[call("x" * 201)])]) == []
