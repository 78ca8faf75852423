"""What a client does that has a cassette's session again, and what each of its steps waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.cassette.cassette import CassetteText
from pytest_dgbudget.cassette.client_side import (
    ClientStep,
    RecordedWords,
    answers_of,
    scrubbed_in,
    steps_of,
    with_values,
)
from pytest_dgbudget.cassette.vendor_side import AUDIO, CLOSE
from pytest_dgbudget.rules.audio import AudioFormat
from tests.support import varied_sessions
from tests.support.speech import linear16, tone
from tests.support.varied_sessions import (
    APPLIED,
    DONE,
    RATE,
    SETTINGS,
    STARTED,
    WELCOME,
    Script,
    answered,
    begun,
    called,
    injected,
    remembered,
    said,
)

REPLY: list[Any] = [*said("assistant"), varied_sessions.AUDIO]
OF_USER = {"ConversationText (user)", "History (user)"}
OF_AGENT = {"ConversationText (assistant)", "History (assistant)", AUDIO, "AgentAudioDone"}


def kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


def spoken(step: ClientStep) -> list[tuple[int, int]]:
    """Return when each piece of a step's words begins, and how many milliseconds it has."""
    assert isinstance(step.does, RecordedWords)
    return [(at_ms, len(audio) * 1000 // 2 // RATE) for at_ms, audio in step.does.pieces]


def test_a_text_waits_for_the_kinds_that_came_since_the_step_before_it_and_not_for_their_counts() -> None:
    script = begun().client(injected("One"), after_ms=400).vendor(*said("user"))
    script.vendor(*REPLY, *REPLY, *REPLY, DONE, after_ms=900).client(injected("Two"), after_ms=250)
    settings, one, two, close = steps_of(script.cassette())
    assert (settings.does, settings.awaits) == (SETTINGS, kinds("Welcome"))
    assert (one.does["content"], one.awaits) == ("One", kinds("SettingsApplied", *OF_AGENT))
    assert (two.does["content"], two.awaits, two.until_done) == ("Two", kinds(*OF_USER, *OF_AGENT), True)
    assert (one.pause_ms, two.pause_ms, two.gap_ms) == (400, 250, 900)
    assert (close.does, close.awaits, close.until_done, close.pause_ms) == (None, frozenset(), False, 100)


def test_what_may_or_may_not_come_is_not_waited_for() -> None:
    optional = [{"type": "AgentThinking", "content": "Hm."}, {"type": "LatencyReport", "total_latency": 1}]
    script = begun().client(injected()).vendor(*optional, *said("user"), *REPLY, DONE).client(injected("Two"))
    assert steps_of(script.cassette())[2].awaits == OF_USER | OF_AGENT


def test_who_did_not_wait_for_the_agent_to_be_done_does_not_wait_again() -> None:
    script = Script().vendor(WELCOME).client(SETTINGS).vendor(APPLIED).client(injected("At once"))
    script.vendor(*REPLY, DONE, *said("user"), *REPLY).client(injected("Too soon")).vendor(DONE, *REPLY, DONE)
    _, at_once, too_soon, close = steps_of(script.cassette())
    assert (at_once.until_done, too_soon.until_done, close.until_done) == (False, False, True)


def test_keep_alives_and_answers_are_no_steps_and_an_answer_goes_by_its_functions_name() -> None:
    script = begun().client(injected()).vendor(*said("user"), called(1), called(2, "cancel"))
    script.client({"type": "KeepAlive"}, answered(2, "cancel", "no"), after_ms=70).client(answered(1), after_ms=30)
    cassette = script.vendor(remembered(1), *REPLY, DONE).cassette()
    assert [step.does and step.does["type"] for step in steps_of(cassette)] == ["Settings", "InjectUserMessage", None]
    answers = answers_of(cassette).items()
    assert {name: [(a.message["content"], a.after_ms) for a in recorded] for name, recorded in answers} == {
        "look_up": [("here", 100)],
        "cancel": [("no", 70)],
    }


def test_speech_is_one_step_without_the_quiet_around_it() -> None:
    script = begun().speaks(400, 900, after_ms=300).vendor(STARTED, *said("user"), *REPLY, DONE)
    _, words, close = steps_of(script.cassette())
    ((at_ms, ms),) = spoken(words)
    assert (at_ms, words.does.falls_silent) == (0, True)
    assert 400 <= ms <= 600
    assert words.awaits == {"SettingsApplied", *OF_AGENT}
    assert close.awaits == {"UserStartedSpeaking", *OF_USER, *OF_AGENT}


def test_speech_goes_on_through_a_pause_in_which_nothing_came_and_is_apart_where_something_did() -> None:
    through = begun().speaks(400, 600).speaks(400, 600).vendor(STARTED, *said("user"), *REPLY, DONE)
    _, words, _ = steps_of(through.cassette())
    assert [ms for _, ms in spoken(words)] == [pytest.approx(1500, abs=100)]
    apart = begun().speaks(400, 600).vendor(*said("user")).speaks(400, 600).vendor(*REPLY, DONE)
    _, first, second, _ = steps_of(apart.cassette())
    assert second.awaits == OF_USER
    assert [len(spoken(step)) for step in (first, second)] == [1, 1]


def test_speech_after_a_pause_in_what_is_sent_begins_as_much_later() -> None:
    script = begun().speaks(400).speaks(400, after_ms=1000).vendor(*said("user"), *REPLY, DONE)
    _, words, _ = steps_of(script.cassette())
    (first, _), (second, _) = spoken(words)
    assert (first, words.does.falls_silent) == (0, False)
    assert second == pytest.approx(1400, abs=40)


def test_speech_into_a_reply_waits_for_its_beginning_as_long_as_it_had() -> None:
    script = begun().client(injected()).vendor(*said("user")).vendor(*REPLY, after_ms=900)
    script.speaks(300, 600, after_ms=500).vendor(STARTED, DONE, *said("user"), *REPLY, DONE)
    words = steps_of(script.cassette())[2]
    assert not words.until_done
    assert words.pause_ms == pytest.approx(520, abs=20)
    assert words.awaits == OF_USER | OF_AGENT - {"AgentAudioDone"}


def test_the_vendors_close_is_awaited_where_it_closed() -> None:
    *_, close = steps_of(begun().cassette(closed_by="server", close_code=1000))
    assert (close.does, CLOSE in close.awaits) == (None, True)


def test_audio_in_another_encoding_is_sent_as_it_was() -> None:
    script = begun()
    for _ in range(3):
        script.client(b"opus!", after_ms=60)
    cassette = script.cassette()
    opus = replace(cassette, formats={**cassette.formats, "client_to_server": AudioFormat("opus", 48_000)})
    words = steps_of(opus)[1].does
    assert words == RecordedWords(pieces=[(0, b"opus!"), (60, b"opus!"), (120, b"opus!")], falls_silent=False)


def test_what_was_scrubbed_is_named_and_filled_in() -> None:
    endpoint = {"url": "https://llm.example", "headers": {"authorization": "Bearer [scrubbed]", "a/b": "[scrubbed]"}}
    settings = {"type": "Settings", "agent": {"think": [{"endpoint": endpoint}]}}
    cassette = Script().vendor(WELCOME).client(settings, injected("[scrubbed]")).cassette()
    place = "Settings/agent/think/0/endpoint/headers"
    assert scrubbed_in(cassette) == [f"{place}/authorization", f"{place}/a~1b", "InjectUserMessage/content"]
    filled = with_values(cassette, {f"{place}/authorization": "sk-1", f"{place}/a~1b": "2"})
    assert scrubbed_in(filled) == ["InjectUserMessage/content"]
    sent = steps_of(filled)[0].does["agent"]["think"][0]["endpoint"]
    assert sent == {"url": "https://llm.example", "headers": {"authorization": "Bearer sk-1", "a/b": "2"}}


def test_what_the_hook_replaced_is_named_and_filled_in_as_well() -> None:
    cassette = Script().vendor(WELCOME).client({"type": "Settings", "agent": {}}, injected("for ACCOUNT")).cassette()
    events = [
        replace(event, scrubbed=("/content",))
        if isinstance(event, CassetteText) and event.payload == injected("for ACCOUNT")
        else event
        for event in cassette.events
    ]
    cassette = replace(cassette, events=tuple(events))
    assert scrubbed_in(cassette) == ["InjectUserMessage/content"]
    filled = with_values(cassette, {"InjectUserMessage/content": "for 4711", "Settings/agent": "no text"})
    assert scrubbed_in(filled) == []
    assert steps_of(filled)[1].does == injected("for 4711")


def test_words_keep_their_first_and_last_sample() -> None:
    loud = linear16(tone(200, RATE))
    script = begun().client(loud, after_ms=200).vendor(*said("user"), *REPLY, DONE)
    assert steps_of(script.cassette())[1].does.pieces == [(0, loud)]
