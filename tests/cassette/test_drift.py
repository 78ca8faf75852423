"""What counts as drift between a cassette and the session that its client had again, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.cassette.cassette import Cassette, CassetteEvent, CassetteText
from pytest_dgbudget.cassette.drift import Rerun, check
from pytest_dgbudget.cassette.vendor_side import CLOSE, OPTIONAL, kind_of, parts_of
from tests.support.varied_sessions import (
    APPLIED,
    AUDIO,
    DONE,
    SETTINGS,
    STARTED,
    VENDOR,
    WELCOME,
    Dialogue,
    Script,
    begun,
    injected,
    said,
)

TURNS = st.lists(st.sampled_from(["text", "speech", "function", "interruption"]), min_size=1, max_size=4)
PLAIN_TURNS = st.lists(st.sampled_from(["text", "speech", "function"]), min_size=1, max_size=4)


def drifts(recorded: Cassette, now: Cassette, **had: Any) -> list[str]:
    return [drift.id for drift in check([Rerun(recorded=recorded, now=now, **had)]).drifts]


def changed(cassette: Cassette, change: Callable[[Any], Sequence[Any]]) -> Cassette:
    """Return a cassette with other messages in the place of each text of the vendor's."""
    events: list[CassetteEvent] = []
    for event in cassette.events:
        if event.side == VENDOR and isinstance(event, CassetteText):
            events += [replace(event, payload=payload) for payload in change(event.payload)]
        else:
            events.append(event)
    return replace(cassette, events=tuple(events))


def talk() -> Script:
    script = begun()
    for _ in range(2):
        script.client(injected(), after_ms=100).vendor(*said("user"), after_ms=5)
        script.vendor(*said("assistant"), AUDIO, after_ms=900).vendor(DONE, after_ms=100)
    return script


@given(TURNS, st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_service_that_only_varies_has_no_drift(turns: list[str], before: int, now: int) -> None:
    """Words, counts of sentences, thinking, optional messages, chunking, how speech is heard, ends of interruptions."""
    recorded, again = (Dialogue(turns, Random(seed)).script().cassette() for seed in (before, now))
    assert drifts(recorded, again) == []


@given(PLAIN_TURNS, st.integers(0, 2**32), st.data())
def test_a_kind_of_message_that_no_longer_comes_is_found(turns: list[str], seed: int, data: st.DataObject) -> None:
    recorded = Dialogue(turns, Random(seed)).script().cassette()
    kinds = {kind_of(e.payload) for e in recorded.events if e.side == VENDOR and isinstance(e, CassetteText)}
    gone = data.draw(st.sampled_from(sorted(kinds - OPTIONAL)))
    now = changed(recorded, lambda payload: [] if kind_of(payload) == gone else [payload])
    # Nothing says that the agent is done: its client waited for that.
    missed = [gone] if gone == "AgentAudioDone" else []
    assert f"message-missing {gone}" in drifts(recorded, now, missed=missed)


@given(PLAIN_TURNS, st.integers(0, 2**32), st.data())
def test_a_field_that_is_renamed_is_found(turns: list[str], seed: int, data: st.DataObject) -> None:
    recorded = Dialogue(turns, Random(seed)).script().cassette()
    fields = {
        (kind_of(e.payload), key)
        for e in recorded.events
        if e.side == VENDOR and isinstance(e, CassetteText)
        for key in e.payload.keys() - {"type", "role", "code", "function_calls"}
    }
    kind, key = data.draw(st.sampled_from(sorted(each for each in fields if each[0] not in OPTIONAL)))

    def rename(payload: Any) -> list[Any]:
        of_kind = kind_of(payload) == kind
        return [{f"{name}_" if of_kind and name == key else name: value for name, value in payload.items()}]

    found = drifts(recorded, changed(recorded, rename))
    assert {f"field-missing {kind}/{key}", f"field-new {kind}/{key}_"} <= set(found)


def test_a_text_that_comes_back_is_no_speech() -> None:
    assert [part.name for part in parts_of(talk().cassette())] == ["the start", "a text", "a text"]
    spoken = begun().vendor(STARTED, *said("user"), *said("assistant"), AUDIO, DONE)
    assert [part.name for part in parts_of(spoken.cassette())] == ["the start", "speech"]


def test_the_same_session_has_no_drift() -> None:
    checked = check([Rerun(recorded=talk().cassette(), now=talk().cassette())])
    assert (checked.drifts, checked.fingerprint) == ([], None)


@pytest.mark.parametrize(
    ("kind", "change", "found"),
    [
        ("Welcome", lambda m: [{"type": "Welcome"}], ["field-missing Welcome/request_id"]),
        ("SettingsApplied", lambda m: [{**m, "n": 1}], ["field-new SettingsApplied/n"]),
        ("Welcome", lambda m: [{**m, "request_id": 7}], ["field-type Welcome/request_id a number"]),
        ("Welcome", lambda m: [{**m, "request_id": None}], ["field-type Welcome/request_id null"]),
        ("AgentAudioDone", lambda m: [m, m], ["message-doubled AgentAudioDone"]),
        ("AgentAudioDone", lambda m: [{"type": "New"}, m], ["message-new New"]),
        (
            "AgentAudioDone",
            lambda m: [{"type": "Error", "code": "SOME"}, m],
            ["message-new Error (SOME)"],
        ),
        (
            "SettingsApplied",
            lambda m: ["neither"],
            ["message-missing SettingsApplied", "message-new a message without a type"],
        ),
    ],
)
def test_each_change_has_its_name(kind: str, change: Callable[[Any], Sequence[Any]], found: list[str]) -> None:
    recorded = talk().cassette()
    now = changed(recorded, lambda payload: change(payload) if payload["type"] == kind else [payload])
    assert drifts(recorded, now) == found


def test_an_order_that_was_the_same_each_time_and_is_not_is_found() -> None:
    def swap(script: Script) -> Cassette:
        user, history = said("user")
        script.client(injected()).vendor(history, user, after_ms=5)
        return script.vendor(*said("assistant"), AUDIO, DONE, after_ms=900).cassette()

    assert drifts(talk().cassette(), swap(begun())) == ["message-order History (user) before ConversationText (user)"]


def test_an_order_that_differed_when_it_was_recorded_is_none() -> None:
    user, history = said("user")
    either = begun()
    for first, second in ((user, history), (history, user)):
        either.client(injected()).vendor(first, second).vendor(*said("assistant"), AUDIO, DONE, after_ms=900)
    now = begun().client(injected()).vendor(history, user).vendor(*said("assistant"), AUDIO, DONE, after_ms=900)
    assert drifts(either.cassette(), now.cassette()) == []


def test_a_message_that_did_not_always_come_may_be_missing() -> None:
    def with_history_of(*users: list[dict[str, Any]]) -> Cassette:
        script = begun()
        for user in users:
            script.client(injected()).vendor(*user).vendor(*said("assistant"), AUDIO, DONE, after_ms=900)
        return script.cassette()

    text, both = said("user")[:1], said("user")
    assert drifts(with_history_of(text, both), with_history_of(text, text, both)) == []
    assert drifts(with_history_of(both, both), with_history_of(text, both)) == ["message-missing History (user)"]


def test_an_acknowledgement_belongs_to_the_session_wherever_it_comes() -> None:
    prompt = {"type": "UpdatePrompt", "prompt": "Be briefer."}
    recorded = talk().client(prompt).vendor({"type": "PromptUpdated"}).cassette()
    assert drifts(recorded, talk().client(prompt).cassette()) == ["message-missing PromptUpdated"]


def test_what_a_text_in_the_middle_of_the_greeting_is_answered_with_is_in_no_order_with_it() -> None:
    def early(*, echo_first: bool) -> Cassette:
        script = Script().vendor(WELCOME).client(SETTINGS).vendor(APPLIED, after_ms=200).client(injected())
        greeting: list[Any] = [*said("assistant", "Hello."), AUDIO]
        echo: list[Any] = said("user")
        script.vendor(*(echo + greeting if echo_first else greeting + echo), DONE, after_ms=50)
        return script.vendor(*said("assistant"), AUDIO, DONE, after_ms=900).cassette()

    assert drifts(early(echo_first=True), early(echo_first=False)) == []


def test_a_field_that_one_cassette_has_is_not_new_in_another() -> None:
    welcome = {**WELCOME, "region": "eu"}
    one, other = talk().cassette(), changed(talk().cassette(), lambda m: [welcome if m == WELCOME else m])
    checked = check([Rerun(recorded=one, now=other), Rerun(recorded=other, now=other)])
    assert checked.drifts == []


def test_what_the_client_waited_for_in_vain_is_missing() -> None:
    recorded = talk().cassette()
    assert drifts(recorded, recorded, missed=["AgentAudioDone", CLOSE]) == [
        "close missing",
        "message-missing AgentAudioDone",
    ]
    assert drifts(recorded, recorded, unanswered=["cancel"]) == ["function-call cancel"]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (("client", 1000), ("client", 1000), []),
        (("teardown", 1000), ("client", 1000), []),
        (("client", 1000), ("server", 1005), ["close new 1005"]),
        (("server", 1000), ("server", 4000), ["close 1000 to 4000"]),
        (("server", 1000), ("network", None), ["close lost"]),
    ],
)
def test_a_close_is_compared_by_whom_and_with_which_code(before: Any, now: Any, found: list[str]) -> None:
    cassettes = (talk().cassette(closed_by=by, close_code=code) for by, code in (before, now))
    assert drifts(*cassettes) == found


def test_a_session_that_ended_early_lacks_nothing_in_its_last_part() -> None:
    cut = begun().client(injected()).vendor(said("user")[0]).cassette(closed_by="server", close_code=4000)
    assert drifts(talk().cassette(), cut, is_whole=False) == ["close new 4000"]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ((60_000, 75_000), (30_000, 37_500), []),
        ((61_111, 76_389), (1_001, 1_252), []),  # each is rounded up
        ((60_000, 75_000), (30_000, 39_000), ["price standard 0.078"]),
        ((60_000, None), (30_000, 39_000), []),
        ((60_000, 75_000), (30_000, None), []),
    ],
)
def test_a_price_is_that_of_a_minute(before: Any, now: Any, found: list[str]) -> None:
    cassettes = (talk().cassette(ms=ms, micro_usd=micro_usd) for ms, micro_usd in (before, now))
    assert drifts(*cassettes) == found


def test_a_tier_that_changed_is_said_and_not_its_price() -> None:
    before = talk().cassette(ms=60_000, micro_usd=75_000)
    now = talk().cassette(ms=60_000, micro_usd=163_000, tier="advanced")
    assert drifts(before, now) == ["tier standard to advanced"]


def test_a_session_that_changes_its_tier_has_no_price_of_a_minute() -> None:
    update = {"type": "UpdateThink", "think": {}}
    before = talk().client(update).vendor({"type": "ThinkUpdated"}).cassette(ms=60_000, micro_usd=75_000)
    now = talk().client(update).vendor({"type": "ThinkUpdated"}).cassette(ms=60_000, micro_usd=90_000)
    assert drifts(before, now) == []


def test_audio_in_a_container_is_found_where_it_had_none() -> None:
    def replying(audio: bytes) -> Cassette:
        return begun().client(injected()).vendor(*said("user"), *said("assistant"), audio, DONE).cassette()

    assert drifts(replying(AUDIO), replying(b"RIFF" + AUDIO)) == ["audio-form WAV"]
    assert drifts(replying(AUDIO), replying(AUDIO[::-1] * 3)) == []


def replies(*latencies_ms: int) -> Cassette:
    script = begun()
    for ms in latencies_ms:
        script.client(injected(), after_ms=100).vendor(*said("user"))
        script.vendor(*said("assistant"), AUDIO, after_ms=ms).vendor(DONE)
    return script.cassette()


def test_answers_that_take_longer_are_found_over_all_cassettes_together() -> None:
    pairs = [Rerun(recorded=replies(1000, 1010), now=replies(1600, 1620)) for _ in range(2)]
    (drift,) = check(pairs).drifts
    assert drift.id == "latency an answer"
    assert drift.what == "an answer takes 1.61 s, where it took 1.00 s (4 compared, limit 1.52 s)"
    assert check(pairs[:1]).drifts == []  # too few


def test_the_user_waits_for_an_answer_from_the_end_of_their_speech_on() -> None:
    def spoken(ms: int) -> Cassette:
        script = begun()
        for _ in range(4):
            script.speaks(400, 500, after_ms=100).vendor(STARTED).vendor(*said("user"))
            script.vendor(*said("assistant"), AUDIO, after_ms=ms).vendor(DONE)
        return script.cassette()

    (drift,) = check([Rerun(recorded=spoken(500), now=spoken(1500))]).drifts
    assert drift.what.startswith("an answer takes 2.00 s, where it took 1.00 s")


def test_turns_that_are_not_the_same_ones_are_not_compared() -> None:
    checked = check([Rerun(recorded=replies(1000, 1000, 1000), now=replies(9000, 9000, 9000, 9000))])
    assert "an answer" not in checked.latencies


def test_the_fingerprint_is_that_of_the_drifts_in_whichever_cassettes_they_are() -> None:
    recorded = talk().cassette()
    other = begun().client(injected()).vendor(*said("user"), *said("assistant"), AUDIO, DONE).cassette()

    def doubled(cassette: Cassette) -> Rerun:
        return Rerun(recorded=cassette, now=changed(cassette, lambda m: [m, m] if m == DONE else [m]))

    def renamed(cassette: Cassette) -> Rerun:
        return Rerun(recorded=cassette, now=changed(cassette, lambda m: [{"type": "Ready"}] if m == APPLIED else [m]))

    assert check([doubled(recorded)]).fingerprint == check([doubled(other), doubled(recorded)]).fingerprint
    assert check([doubled(recorded)]).fingerprint != check([renamed(recorded)]).fingerprint
