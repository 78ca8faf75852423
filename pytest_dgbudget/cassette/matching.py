"""A cassette against a client: what it sends must be what was recorded, and gets what the vendor answered then. Pure.

The client's texts come in the recorded order, but for answers to function calls: each is matched by its call's id, and
may come whenever its call is open. KeepAlives are never matched. The user's audio is a stream of its own (``speech``).
Whatever comes early is taken; whatever the vendor said waits for its causes (``causes``). A client that has stopped is
told from one that takes its time by how long it took in the recording.

Times are milliseconds of one clock, from the replay's dial on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.causes import (
    CLIENT,
    Call,
    Causes,
    ExpectedText,
    FreshIds,
    NumberedIds,
    VendorStep,
    answered_id,
    calls_in,
    must_come,
    texts_of_client,
    type_of,
)
from pytest_dgbudget.cassette.mismatches import (
    differing,
    left_over,
    missing_speech,
    missing_text,
    other_settings,
    other_speech,
    other_text,
    unexpected_text,
)
from pytest_dgbudget.cassette.speech import SILENT_MS, RecordedSpeech, SentSpeech, Utterance
from pytest_dgbudget.model import CassetteTerms, Mismatch, Pace

# What a loop is kept waiting for: some 2 ms.
_MOST_STEPS = 64
# A client takes up to twice as long as in the recording, and so much more.
_SLOWER_MS = 1500
# By whom a session is ended that the vendor ends.
_BY_VENDOR = frozenset({"server", "network"})
_NO_CODE = 1005


class RecordedClose(NamedTuple):
    """What the vendor closed with; 1005 stands for no code."""

    code: int
    reason: str


class _Awaited(NamedTuple):
    """What a client is waited for, and how long: a text, or speech."""

    until_ms: float
    text: ExpectedText | None


def choose(cassettes: Sequence[Cassette], settings: Any, terms: CassetteTerms) -> Cassette | Mismatch:
    """Return the first of one or more cassettes whose Settings these are, or how they differ from the nearest's.

    ``settings`` is the client's first text but for KeepAlives, whatever it is.
    """
    unlike = []
    for cassette in cassettes:
        text = next(texts_of_client(cassette), None)
        found = [] if text is None else list(differing(text, settings, terms.ignore))
        if text is not None and not found:
            return cassette
        unlike.append((text is None, len(found), cassette, text, found))
    _, _, nearest, text, found = min(unlike, key=lambda each: each[:2])
    return other_settings(nearest, text, settings, found, cassettes)


class PlayableCassette:
    """A cassette, and what its replays have in common: what would keep a loop waiting, which is read once.

    It takes some 40 ms for each minute of the session.
    """

    def __init__(self, cassette: Cassette) -> None:
        self.cassette = cassette
        self.causes = Causes(cassette)
        self.ids = NumberedIds(cassette)
        self.speech = RecordedSpeech(cassette)


class Player:
    """Plays one cassette to one client. ``mismatch`` is set once they have parted; then nothing more is played.

    ``close`` is set when the vendor's own Close is due, after all of its messages. ``request_id`` is that of the
    Welcome, whichever cassette is used.
    """

    def __init__(self, playable: PlayableCassette, terms: CassetteTerms, pace: Pace) -> None:
        self._terms = terms
        self._pace = pace
        self.mismatch: Mismatch | None = None
        self.close: RecordedClose | None = None
        self._is_closed = False
        self._played = 0
        # Whether more may be due than has been played.
        self._is_behind = False
        # When the last step was due, and when it was in the recording.
        self._at_ms = 0.0
        self._recorded_ms = 0
        # The same of the last step before which the user had said enough for certain.
        self._certain_ms = (0.0, 0)
        self._is_certain = True
        # What came before the first text: it may belong to another cassette.
        self._early: list[tuple[bytes, float]] | None = []
        self.request_id = str(uuid4())
        self._load(playable)

    def use(self, playable: PlayableCassette) -> None:
        """Go on with another cassette, before the client's first text: the vendor says the same up to there."""
        assert self._early is not None, "the client's first text has been taken"
        early, self._early = self._early, []
        self._load(playable)
        first_caused = next(number for number, step in enumerate(self._causes.steps) if step.texts or not step.event)
        self._played = min(self._played, first_caused)
        for data, at_ms in early:
            self.client_sent_audio(data, at_ms)

    def _load(self, playable: PlayableCassette) -> None:
        self.cassette = playable.cassette
        self._ids = FreshIds(playable.ids, self.request_id)
        self._causes = playable.causes
        self._in_order = iter(self._causes.in_order)
        self._next_text = next(self._in_order, None)
        # When the client's texts came, and the calls were made, in that order.
        self._matched: dict[ExpectedText, float] = {}
        self._called: dict[Call, float] = {}
        self._recorded = playable.speech
        self._sent = SentSpeech(self._recorded, self._terms.audio)
        # How much speech there was when the vendor had heard the last utterance.
        self._heard = 0

    # What the client does

    def client_said(self, payload: Any, at_ms: float) -> None:
        """Take a text message, scrubbed."""
        if self._is_over or type_of(payload) == "KeepAlive":
            return
        self._early = None
        call = self._answered(payload)
        if call is None:
            self._match(self._next_text, payload, at_ms)
            return
        answer = next((answer for answer in call.answers if answer not in self._matched), None)
        if answer is not None or not call.forgiven:
            self._match(answer, payload, at_ms)

    def client_sent_audio(self, data: bytes, at_ms: float) -> None:
        """Take a piece of the stream of audio, cut anywhere."""
        if self._is_over:
            return
        if self._early is not None:
            self._early.append((data, at_ms))
        if not self._sent.take(data, at_ms):
            self.mismatch = other_speech(self.cassette, self._recorded, self._sent)

    def client_closed(self, at_ms: float) -> None:
        """Take the client's end. What is left over then is a mismatch, but for agent audio and ``TRAILING_TYPES``."""
        while self._is_behind and not self._is_over:  # it would have been sent before the Close, but for the loop
            self.due(at_ms)
        if self._is_over:
            return
        left = list(self._left_over())
        lacks_speech = self._lacks_speech() if left and left[0].side != CLIENT else self._sent.lacks and not left
        if lacks_speech:
            before = "The client closed before it had sent all of the user's speech"
            self.mismatch = missing_speech(
                self.cassette, self._recorded, self._sent, before, self._needed(), left, kind="left-over"
            )
        elif left:
            self.mismatch = left_over(self.cassette, left)
        self._is_closed = True

    # What the vendor does

    def due(self, at_ms: float) -> Sequence[CassetteText | bytes]:
        """Return what is to be sent by now, in order; where that is nothing, see whether the client has stopped.

        It is not all where that is much: then ``next_at_ms`` is past.
        """
        begun = self._played
        played = [each for step in islice(self._steps_due(at_ms), _MOST_STEPS) for each in self._play(step)]
        self._is_behind = self._played - begun == _MOST_STEPS
        if not self._is_over:
            self._judge_silence(at_ms)
        return played

    def _steps_due(self, at_ms: float) -> Iterator[VendorStep]:
        """Yield each step that is due by now, to be played before the next one."""
        while not self._is_over:
            step = self._causes.steps[self._played]
            ready_ms = self._ready_ms(step)
            if ready_ms is None or ready_ms > at_ms:
                break
            self._at_ms, self._recorded_ms = ready_ms, step.at_ms
            utterance = self._utterance(step)
            if utterance is not None:
                self._is_certain = self._sent.is_enough(utterance)
            if self._is_certain:
                self._certain_ms = (ready_ms, step.at_ms)
            self._played += 1
            yield step

    @property
    def next_at_ms(self) -> float | None:
        """When to ask again if nothing comes before; None where nothing is due then either."""
        if self._is_over:
            return None
        step = self._causes.steps[self._played]
        ready_ms = self._ready_ms(step)
        if ready_ms is not None:
            return ready_ms
        awaited = self._awaited(step)
        return None if awaited is None else awaited.until_ms

    @property
    def replayed_ms(self) -> int:
        """How much of the recorded time has been played: all of it where nothing is left over."""
        if self.close is not None or (self._is_closed and self.mismatch is None):
            return self.cassette.facts.ms
        return max([self._recorded_ms, *(each.text.at_ms for each in self._matched)])

    @property
    def _is_over(self) -> bool:
        return self._is_closed or self.mismatch is not None or self.close is not None

    def _play(self, step: VendorStep) -> Iterator[CassetteText | bytes]:
        event = step.event
        if step.heard is not None and step.ends_utterance:
            self._heard = self._recorded.before(step.heard)
            self._sent.utterance_ended(self._heard)
        if event is None:
            facts = self.cassette.facts
            self.close = RecordedClose(facts.close_code or _NO_CODE, facts.close_reason)
        elif isinstance(event, CassetteText):
            for call in calls_in(event.payload) if type_of(event.payload) == "FunctionCallRequest" else ():
                if call["id"] in self._causes.calls:
                    self._called[self._causes.calls[call["id"]]] = self._at_ms
            yield replace(event, payload=self._ids.fresh(event.payload))
        else:
            yield self.cassette.audio[event.side][event.offset : event.offset + event.size]

    def _ready_ms(self, step: VendorStep) -> float | None:
        """Return when a step is due, which may be past; None while the client has not done what it waits for."""
        if step.event is None and self.cassette.facts.closed_by not in _BY_VENDOR:
            return None
        needed = [each for each in step.texts if each.needed]
        if any(each not in self._matched for each in needed):
            return None
        utterance = self._utterance(step)
        spoken = utterance and self._sent.spoken(utterance, lambda: self._speech_due_ms(step))
        if utterance is not None and spoken is None:
            return None
        said_ms = max((self._matched[each] for each in needed), default=0)
        ready_ms = max(self._at_ms, said_ms, spoken.ready_ms if spoken else 0)
        if self._pace == "max":
            return ready_ms
        # As long after its last cause as in the recording; and as long after the speech that it says was heard.
        before_ms, recorded_ms = (said_ms, needed[-1].text.at_ms) if needed else (self._at_ms, self._recorded_ms)
        if spoken is None or spoken.recorded_ms <= recorded_ms or self._terms.audio == "any":
            ready_ms = max(ready_ms, before_ms + step.at_ms - recorded_ms)
        return max(ready_ms, spoken.at_ms + step.at_ms - spoken.recorded_ms) if spoken else ready_ms

    def _utterance(self, step: VendorStep) -> Utterance | None:
        """Return what the vendor had heard anew of the user when it said so; None where that is nothing."""
        needed = self._recorded.before(step.heard) if step.heard else 0
        return Utterance(needed, self._heard, step.ends_utterance) if needed > self._heard else None

    # A client that has stopped

    def _judge_silence(self, at_ms: float) -> None:
        step = self._causes.steps[self._played]
        awaited = self._awaited(step) if self._ready_ms(step) is None else None
        if awaited is None or awaited.until_ms > at_ms:
            return
        if awaited.text is not None:
            self.mismatch = missing_text(self.cassette, awaited.text, at_ms - self._last_ms(awaited.text))
            return
        what = "The client sends nothing but silence"
        self.mismatch = missing_speech(self.cassette, self._recorded, self._sent, what, self._needed(), [step.event])

    def _awaited(self, step: VendorStep) -> _Awaited | None:
        """Return what a step waits for longest; None where it waits for nothing of the client's."""
        missing = [each for each in step.texts if each.needed and each not in self._matched]
        first = next((each for each in missing if each.call is None), None)
        awaited = [_Awaited(self._text_until_ms(each), each) for each in missing if each.call or each is first]
        if self._lacks_speech():
            awaited.append(_Awaited(self._speech_until_ms(step), None))
        return max(awaited, key=lambda each: each.until_ms, default=None)

    def _last_ms(self, expected: ExpectedText) -> float:
        """Return when a text could have come at the earliest: what went before it had passed."""
        if expected.call is not None and expected.call in self._called:
            return self._called[expected.call]
        return max(self._at_ms, *list(self._matched.values())[-1:], self._sent.last_ms)

    def _lacks_speech(self) -> bool:
        """Return whether the next step waits for more of the user's speech."""
        utterance = self._utterance(self._causes.steps[self._played])
        return utterance is not None and self._sent.spoken(utterance, lambda: 0) is None

    def _needed(self) -> int:
        """Return how much speech the next step waits for, or else there is in all."""
        utterance = self._utterance(self._causes.steps[self._played])
        return self._recorded.size if utterance is None else utterance.needed

    def _speech_due_ms(self, step: VendorStep) -> float:
        return self._due_ms(self._speech_recorded_ms(step))[0]

    def _speech_recorded_ms(self, step: VendorStep) -> int:
        """Return when the speech that comes next had come in the recording."""
        recorded_ms = self._sent.goes_on_ms
        return step.at_ms if recorded_ms is None else min(recorded_ms, step.at_ms)

    def _speech_until_ms(self, step: VendorStep) -> float:
        recorded_ms = self._speech_recorded_ms(step)
        due_ms = max(self._due_ms(recorded_ms)[0], self._due_after_vendor_ms(recorded_ms), self._sent.last_ms)
        return due_ms + SILENT_MS

    def _text_until_ms(self, expected: ExpectedText) -> float:
        recorded_ms, call = expected.text.at_ms, expected.call
        due_ms, since_ms = self._due_ms(recorded_ms)
        due_ms = max(due_ms, self._due_after_vendor_ms(recorded_ms))
        took_ms = recorded_ms - max(expected.after_ms, since_ms)
        if call is not None and call in self._called:
            took_ms = recorded_ms - call.asked_ms
            due_ms = max(due_ms, self._called[call] + took_ms)
        return due_ms + took_ms + _SLOWER_MS

    def _due_ms(self, recorded_ms: int) -> tuple[float, int]:
        """Return when the client does again what it did then; and since when in the recording that is counted.

        That is since what it did last: what the vendor said since then may come sooner than in the recording. So may a
        question, and with it its answer, however far the client is.
        """
        before = (each for each in reversed(self._matched) if each.call is None and each.text.at_ms <= recorded_ms)
        text = next(before, None)
        since_ms, at_ms = (0, 0.0) if text is None else (text.text.at_ms, self._matched[text])
        if self._sent.size and self._terms.audio == "any":  # nobody knows where in the recording that was
            at_ms = max(at_ms, self._sent.last_ms)
        elif self._sent.size:
            since_ms, at_ms = max((since_ms, at_ms), (min(self._sent.recorded_ms, recorded_ms), self._sent.last_ms))
        return at_ms + recorded_ms - since_ms, since_ms

    def _due_after_vendor_ms(self, recorded_ms: int) -> float:
        """Return the same, since what the vendor said last: it may come later, if the client was early.

        What it said too early, since a silence seemed to end an utterance, does not hurry a client that it had
        answered before.
        """
        due_ms = self._at_ms + max(0, recorded_ms - self._recorded_ms)
        at_ms, said_ms = self._certain_ms
        return max(due_ms, at_ms + recorded_ms - said_ms) if at_ms > self._sent.last_ms else due_ms

    # What is matched

    def _answered(self, payload: Any) -> Call | None:
        """Return the call that a message answers; None where its id is none that this replay made."""
        id_ = answered_id(payload)
        return None if id_ is None else self._causes.calls.get(self._ids.name_of(id_) or "")

    def _match(self, expected: ExpectedText | None, payload: Any, at_ms: float) -> None:
        if expected is None:
            self.mismatch = unexpected_text(self.cassette, payload, list(self._matched), self._ids.as_recorded)
            return
        found = list(differing(expected.text, payload, self._terms.ignore, self._ids.as_recorded))
        if found:
            later = self._causes.in_order[self._causes.in_order.index(expected) + 1 :] if expected.call is None else []
            self.mismatch = other_text(
                self.cassette, expected.text, payload, found, list(self._matched), later, self._ids.as_recorded
            )
            return
        self._matched[expected] = at_ms
        if expected is self._next_text:
            self._next_text = next(self._in_order, None)

    def _left_over(self) -> Iterator[CassetteText]:
        """Yield what the client and the vendor had still to say, in order."""
        awaited = self._causes.awaited
        for number in awaited[bisect_left(awaited, self._played) :]:
            step = self._causes.steps[number]
            yield from (each.text for each in step.texts if each.needed and each not in self._matched)
            if must_come(step) and isinstance(step.event, CassetteText):
                yield step.event
