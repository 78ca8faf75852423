"""Any conversation, replayed: by the client that was recorded, by one that does it otherwise, by one that does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteText
from pytest_dgbudget.model import CassetteAudioRule, Pace
from pytest_dgbudget.recording.known_secrets import SCRUBBED
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.cassette_ignore import pointer_of
from tests.cassette.clients import (
    Acts,
    as_fast,
    eager,
    faster,
    in_other_pieces,
    is_text,
    places_in,
    slower,
    with_answers_in_any_order,
    with_keep_alives,
    with_one_leaf_changed,
    with_silence,
    without_silence,
)
from tests.cassette.replays import Act, Replay, acts_of, replay, speech_in, terms
from tests.support.dialogues import CLIENT, VENDOR, dialogue

SEEDS = st.integers(0, 2**32)
each_rule = pytest.mark.parametrize("audio", ["exact", "length", "any"])
each_pace = pytest.mark.parametrize("pace", ["vendor", "max"])


@each_rule
@given(seed=SEEDS)
def test_at_pace_vendor_each_message_comes_when_it_came_in_the_recording(seed: int, audio: CassetteAudioRule) -> None:
    cassette = dialogue(Random(seed))
    went = replay(cassette, acts_of(cassette), terms(audio), "vendor")
    assert went.mismatch is None
    late = [at_ms - event.at_ms for (at_ms, _), event in zip(went.delivered, _vendors(cassette), strict=True)]
    assert max(map(abs, late)) < 1
    assert went.player.replayed_ms == cassette.facts.ms


def test_a_long_session_does_not_drift() -> None:
    cassette = dialogue(Random(1), turns=150)
    went = replay(cassette, acts_of(cassette), terms(), "vendor")
    late = [at_ms - event.at_ms for (at_ms, _), event in zip(went.delivered, _vendors(cassette), strict=True)]
    assert cassette.facts.ms > 300_000
    assert max(map(abs, late)) < 1


@each_pace
@each_rule
@given(seed=SEEDS, ways=st.integers(0, 2**32))
@example(seed=13, ways=0)  # a slow client's silence seems to end an utterance before its last twentieth
def test_however_a_client_does_it_there_is_no_mismatch(
    seed: int, ways: int, audio: CassetteAudioRule, pace: Pace
) -> None:
    cassette = dialogue(Random(seed))
    went = replay(cassette, _otherwise(cassette, Random(ways)), terms(audio), pace)
    assert went.mismatch is None
    _assert_all_in_order(went, cassette)
    _assert_none_before_its_causes(went, cassette, audio)


def _otherwise(cassette: Cassette, random: Random) -> Acts:
    format_ = cassette.formats[CLIENT]
    acts = with_answers_in_any_order(acts_of(cassette), random)
    acts = random.choice((faster, slower, as_fast))(acts, format_)
    if random.random() < 0.5:
        acts = without_silence(acts, lambda audio: speech_in(audio, format_))
    else:
        acts = with_silence(acts, random, format_)
    acts = in_other_pieces(with_keep_alives(acts, random), random)
    return eager(acts, random) if random.random() < 0.5 else acts


def _vendors(cassette: Cassette) -> list[CassetteEvent]:
    return [event for event in cassette.events if event.side == VENDOR]


def _assert_all_in_order(went: Replay, cassette: Cassette) -> None:
    expected = [_plain(event, cassette) for event in _vendors(cassette)]
    assert [_kind(message) for _, message in went.delivered] == expected


def _plain(event: CassetteEvent, cassette: Cassette) -> Any:
    if isinstance(event, CassetteAudio):
        return cassette.audio[VENDOR][event.offset : event.offset + event.size]
    return _kind(event)


def _kind(message: CassetteText | bytes) -> Any:
    return message if isinstance(message, bytes) else (message.line, message.payload["type"])


def _assert_none_before_its_causes(went: Replay, cassette: Cassette, audio: CassetteAudioRule) -> None:
    """What had come by then is enough: all texts, and of the speech as much as the rule wants."""
    heard, recorded = _Speech(cassette.formats[CLIENT]), _Speech(cassette.formats[CLIENT])
    done_texts = needed_texts = needed_bytes = 0
    done = iter(went.done)
    following = next(done, None)
    delivered = iter(went.delivered)
    for event in cassette.events:
        if isinstance(event, CassetteAudio) and event.side == CLIENT:
            recorded.add(cassette.audio[CLIENT][event.offset : event.offset + event.size])
        elif isinstance(event, CassetteText) and event.side == CLIENT:
            needed_texts += event.payload != {"type": "KeepAlive"}
        else:
            at_ms, _ = next(delivered)
            while following is not None and following[0] <= at_ms:
                done_texts += is_text(following[1])
                heard.add(following[1].what if isinstance(following[1].what, bytes) else b"")
                following = next(done, None)
            if isinstance(event, CassetteText) and _is_of_user(event.payload):
                needed_bytes = recorded.size
            assert done_texts >= needed_texts
            least = {"exact": needed_bytes, "length": 0.95 * needed_bytes, "any": min(1, needed_bytes)}[audio]
            assert heard.size >= least


class _Speech:
    """Counts the bytes of speech in pieces of audio, which may split a sample."""

    def __init__(self, format_: AudioFormat) -> None:
        self._format = format_
        self._rest = b""
        self.size = 0

    def add(self, piece: bytes) -> None:
        audio = self._rest + piece
        whole = len(audio) - len(audio) % (self._format.bytes_per_sample or 1)
        self.size += len(speech_in(audio[:whole], self._format))
        self._rest = audio[whole:]


def _is_of_user(payload: Any) -> bool:
    return bool(payload["type"] == "ConversationText" and payload["role"] == "user")


# Clients that do something else


@each_pace
@given(seed=SEEDS, choice=st.integers(0, 2**32))
@example(seed=603, choice=0)  # a later message of this type is scrubbed: any words are those
def test_a_changed_message_is_found_and_its_place_is_shown(seed: int, choice: int, pace: Pace) -> None:
    cassette, random = dialogue(Random(seed)), Random(choice)
    acts = acts_of(cassette)
    at = random.choice([number for number, act in enumerate(acts) if is_text(act) and any(places_in(act.what))])
    payload, path = with_one_leaf_changed(acts[at].what, random)
    changed = replace(acts[at], what=payload, answers=None if path == ("id",) else acts[at].answers)
    acts[at] = changed
    went = replay(cassette, acts, terms(), pace)
    assert went.ended_ms == went.done[-1][0]
    assert went.done[-1][1] == changed
    if path != ("id",):
        assert f"{payload['type']}{pointer_of(tuple(map(str, path)))}" in went.found.differences
        places = [line for line in went.found.differences if not line.startswith(" ")]
        assert replay(cassette, acts, terms(ignore=places), pace).mismatch is None


@each_pace
@given(seed=SEEDS, choice=st.integers(0, 2**32))
def test_a_message_that_does_not_come_is_found_soon(seed: int, choice: int, pace: Pace) -> None:
    cassette = dialogue(Random(seed))
    acts = acts_of(cassette)
    at = Random(choice).choice([number for number, act in enumerate(acts) if is_text(act)])
    went = replay(cassette, [*acts[:at], *acts[at + 1 :]], terms("exact"), pace)
    assert went.mismatch is not None
    _assert_soon(went, acts[at], cassette.formats[CLIENT])


def _assert_soon(went: Replay, missing: Act, format_: AudioFormat) -> None:
    """It is due as long after what the client did before it as in the recording, and may take as long again."""
    done = [(at_ms, act) for at_ms, act in went.done if is_text(act) or speech_in(act.what, format_)]
    done = [(at_ms, act) for at_ms, act in done if act.answers is None]
    before = [(at_ms, act.recorded_ms) for at_ms, act in done if act.recorded_ms <= missing.recorded_ms]
    last_ms, recorded_ms = before[-1] if before else (0.0, 0)
    due_ms = max(last_ms + missing.recorded_ms - recorded_ms, went.done[-1][0] if went.done else 0.0)
    if missing.answers is not None:
        due_ms = max(due_ms, went.delivered[-1][0] + missing.took_ms)
    assert went.ended_ms <= due_ms + missing.took_ms + 1500


@given(seed=SEEDS, choice=st.integers(0, 2**32))
def test_a_message_that_comes_twice_is_found_at_once(seed: int, choice: int) -> None:
    cassette = dialogue(Random(seed))
    acts = acts_of(cassette)
    at = Random(choice).choice([number for number, act in enumerate(acts) if is_text(act)])
    went = replay(cassette, [*acts[: at + 1], replace(acts[at], took_ms=0), *acts[at + 1 :]], terms())
    # Or the vendor has closed before it came.
    assert went.mismatch is not None or went.player.close is not None


@given(seed=SEEDS, choice=st.integers(0, 2**32))
def test_messages_that_change_places_are_found(seed: int, choice: int) -> None:
    cassette = dialogue(Random(seed), turns=6)
    acts = acts_of(cassette)
    in_order = [number for number, act in enumerate(acts) if is_text(act) and act.answers is None]
    pairs = [(one, other) for one, other in pairwise(in_order) if acts[one].what != acts[other].what]
    pairs = [(one, other) for one, other in pairs if SCRUBBED not in str(acts[one].what)]  # else the other may match it
    if pairs:
        one, other = Random(choice).choice(pairs)
        acts[one], acts[other] = replace(acts[one], what=acts[other].what), replace(acts[other], what=acts[one].what)
        went = replay(cassette, acts, terms())
        assert went.done[-1][1] == acts[one]
        assert went.mismatch is not None


# The user's audio


@each_pace
@given(seed=SEEDS, choice=st.integers(0, 2**32))
def test_a_changed_sample_is_found_under_exact_and_by_no_other_rule(seed: int, choice: int, pace: Pace) -> None:
    cassette, random = dialogue(Random(seed)), Random(choice)
    acts, spoken = _spoken(cassette)
    if not spoken or cassette.facts.closed_by != "client":
        return
    at = random.choice(spoken)
    acts[at] = replace(acts[at], what=bytes([acts[at].what[0] ^ 0x80]) + acts[at].what[1:])
    went = replay(cassette, acts, terms("exact"), pace)
    assert "differs after" in went.found.what
    assert went.done[-1][1] == acts[at]
    assert replay(cassette, acts, terms("length"), pace).mismatch is None
    assert replay(cassette, acts, terms("any"), pace).mismatch is None


@each_pace
@given(seed=SEEDS, choice=st.integers(0, 2**32))
def test_speech_that_is_too_long_is_found_when_it_comes(seed: int, choice: int, pace: Pace) -> None:
    cassette, random = dialogue(Random(seed)), Random(choice)
    acts, spoken = _spoken(cassette)
    if not spoken or cassette.facts.closed_by != "client":
        return
    at = random.choice(spoken)
    more = cassette.audio[CLIENT] * 2
    longer = [*acts[: at + 1], Act(more, acts[at].received, 0), *acts[at + 1 :]]
    for rule in ("exact", "length"):
        went = replay(cassette, longer, terms(rule), pace)
        assert went.done[-1][1].what == more
        assert went.mismatch is not None
    assert replay(cassette, longer, terms("any"), pace).mismatch is None


@each_pace
@given(seed=SEEDS)
def test_speech_that_is_too_short_is_found_where_it_is_awaited_or_at_the_end(seed: int, pace: Pace) -> None:
    cassette = dialogue(Random(seed))
    acts, spoken = _spoken(cassette)
    shorter = [replace(act, what=act.what[: len(act.what) // 2]) if n in spoken else act for n, act in enumerate(acts)]
    if len(spoken) < 2 or cassette.facts.closed_by != "client":
        return
    for rule in ("exact", "length"):
        assert replay(cassette, shorter, terms(rule), pace).mismatch is not None
    assert replay(cassette, shorter, terms("any"), pace).mismatch is None


@given(seed=SEEDS, percent=st.sampled_from([96, 97, 99, 101, 103, 104]))
def test_speech_of_nearly_the_same_length_is_taken(seed: int, percent: int) -> None:
    cassette = dialogue(Random(seed))
    acts = [_stretched(act, percent, cassette.formats[CLIENT]) for act in acts_of(cassette)]
    assert replay(cassette, acts, terms("length")).mismatch is None


@each_rule
@each_pace
@given(seed=SEEDS)
def test_a_client_that_sends_nothing_but_silence_is_found_a_second_after_it_was_due(
    seed: int, pace: Pace, audio: CassetteAudioRule
) -> None:
    cassette = dialogue(Random(seed))
    acts, spoken = _spoken(cassette)
    if not spoken or not any(isinstance(e, CassetteText) and _is_of_user(e.payload) for e in cassette.events):
        return
    first = acts[spoken[0]]
    went = replay(cassette, [act for act in acts if not isinstance(act.what, bytes)], terms(audio), pace)
    if went.mismatch is not None and went.done[-1][1].what is not None:  # else none was awaited until the end
        done = [(at_ms, act) for at_ms, act in went.done if act.answers is None]
        before = [(at_ms, act.recorded_ms) for at_ms, act in done if act.recorded_ms <= first.recorded_ms]
        last_ms, recorded_ms = before[-1]
        due_ms = max(last_ms + first.recorded_ms - recorded_ms, went.done[-1][0], went.delivered[-1][0])
        assert went.ended_ms <= due_ms + 1000
        assert "nothing but silence" in went.found.what


def _spoken(cassette: Cassette) -> tuple[Acts, list[int]]:
    """Return what the client did, and the numbers of the acts that are speech."""
    acts, format_ = acts_of(cassette), cassette.formats[CLIENT]
    spoken = [n for n, act in enumerate(acts) if isinstance(act.what, bytes) and speech_in(act.what, format_)]
    return acts, spoken


def _stretched(act: Act, percent: int, format_: AudioFormat) -> Act:
    """Have the speech in a piece of audio last longer, or less long, and no silence in it."""
    if not isinstance(act.what, bytes):
        return act
    size = format_.bytes_per_sample or 1
    speech = speech_in(act.what, format_)
    changed = len(speech) // size * abs(percent - 100) // 100 * size
    return replace(act, what=speech + speech[:changed] if percent > 100 else speech[changed:])
