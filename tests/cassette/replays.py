"""A client as a model, and the clock of its replays: nothing waits in earnest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio, CassetteEvent, CassetteText
from pytest_dgbudget.cassette.matching import PlayableCassette, Player
from pytest_dgbudget.model import CassetteAudioRule, CassetteTerms, Mismatch, Pace
from pytest_dgbudget.rules.audio import AudioFormat
from pytest_dgbudget.rules.samples import silence
from tests.support.dialogues import CLIENT, VENDOR

NO_IGNORE: tuple[str, ...] = ()


def terms(audio: CassetteAudioRule = "length", ignore: Sequence[str] = NO_IGNORE) -> CassetteTerms:
    return CassetteTerms(folder="cassettes/test_it.py/test_it", ignore=tuple(ignore), audio=audio)


@dataclass
class Act:
    """Something that a client does, ``took_ms`` after the act before and after so many messages were ``received``.

    ``what`` is a text's payload, audio, or None for the Close; in the recording it passed at ``recorded_ms``. An answer
    waits for its call and for no other act.
    """

    what: Any
    received: int
    took_ms: float
    answers: str | None = None
    recorded_ms: int = 0


@dataclass
class Replay:
    """How a replay went: what was delivered when, and how it ended."""

    player: Player
    delivered: list[tuple[float, CassetteText | bytes]] = field(default_factory=list)
    done: list[tuple[float, Act]] = field(default_factory=list)
    ended_ms: float = 0.0

    @property
    def mismatch(self) -> Mismatch | None:
        return self.player.mismatch

    @property
    def found(self) -> Mismatch:
        assert self.player.mismatch is not None
        return self.player.mismatch


def acts_of(cassette: Cassette) -> list[Act]:
    """Return what the recorded client did, but for KeepAlives: after all that it had received, and as long after."""
    acts: list[Act] = []
    received = 0
    last_ms = 0
    calls: dict[str, int] = {}
    for event in cassette.events:
        if event.side == VENDOR:
            received += 1
            for call in _calls(event):
                calls[call] = event.at_ms
        elif isinstance(event, CassetteAudio):
            audio = cassette.audio[CLIENT][event.offset : event.offset + event.size]
            acts.append(Act(audio, received, event.at_ms - last_ms, recorded_ms=event.at_ms))
        elif event.payload == {"type": "KeepAlive"}:
            continue
        elif (answered := _answered(event.payload)) in calls:
            acts.append(Act(event.payload, received, event.at_ms - calls[answered], answered, event.at_ms))
            continue
        else:
            acts.append(Act(event.payload, received, event.at_ms - last_ms, recorded_ms=event.at_ms))
        last_ms = event.at_ms
    if cassette.facts.closed_by == "client":
        acts.append(Act(None, received, cassette.facts.ms - last_ms, recorded_ms=cassette.facts.ms))
    return acts


def speech_in(audio: bytes, format_: AudioFormat) -> bytes:
    """Return what of it is no silence, sample by sample."""
    silent, size = silence(format_.encoding, 1), format_.bytes_per_sample
    if size is None:
        return audio
    others = {"mulaw": b"\x7f", "alaw": b"\x55", "linear32": b"\0\0\0\x80"}.get(format_.encoding)
    samples = [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]
    return b"".join(sample for sample in samples if sample not in (silent, others))


def _calls(event: CassetteEvent) -> Iterator[str]:
    if isinstance(event, CassetteText) and event.payload["type"] == "FunctionCallRequest":
        yield from (call["id"] for call in event.payload["functions"])


def _answered(payload: Any) -> str:
    return str(payload.get("id")) if payload.get("type") == "FunctionCallResponse" else ""


def replay(cassette: Cassette, acts: Sequence[Act], terms: CassetteTerms, pace: Pace = "max") -> Replay:
    """Have a client do this with a cassette; each piece of time passes at once."""
    return _Clock(cassette, acts, terms, pace).run()


class _Clock:
    def __init__(self, cassette: Cassette, acts: Sequence[Act], terms: CassetteTerms, pace: Pace) -> None:
        self._went = Replay(Player(PlayableCassette(cassette), terms, pace))
        self._main = [act for act in acts if act.answers is None]
        self._answers = [act for act in acts if act.answers is not None]
        self._received_ms: list[float] = []
        self._calls: dict[str, tuple[float, str]] = {}
        self._names: dict[str, str] = {}
        self._called = [call for event in cassette.events if event.side == VENDOR for call in _calls(event)]
        self._last_ms = 0.0

    def run(self) -> Replay:
        player, now = self._went.player, 0.0
        while True:
            while played := player.due(now):
                for message in played:
                    self._receive(message, now)
            self._went.ended_ms = now
            if player.mismatch is not None or player.close is not None:
                return self._went
            next_ = min(self._possible(), key=lambda each: each[0], default=None)
            asked_ms = player.next_at_ms
            if next_ is None and asked_ms is None:
                return self._went
            if next_ is None or (asked_ms is not None and asked_ms < next_[0]):
                assert asked_ms is not None
                assert asked_ms >= now or not player.due(now), "asked again at once, for nothing"
                now = max(now, asked_ms)
                continue
            now = max(now, next_[0])
            if self._act(next_[1], now):
                self._went.ended_ms = now
                return self._went

    def _receive(self, message: CassetteText | bytes, now: float) -> None:
        self._went.delivered.append((now, message))
        self._received_ms.append(now)
        if isinstance(message, CassetteText):
            for fresh in _calls(message):
                self._calls[self._called[len(self._calls)]] = (now, fresh)

    def _possible(self) -> Iterator[tuple[float, Act]]:
        if self._main and self._main[0].received <= len(self._received_ms):
            act = self._main[0]
            cause_ms = self._received_ms[act.received - 1] if act.received else 0.0
            if act.what is not None or not self._pending_answers():
                yield max(self._last_ms, cause_ms) + act.took_ms, act
        for act in self._answers:
            if act.answers in self._calls:
                yield self._calls[act.answers][0] + act.took_ms, act

    def _pending_answers(self) -> bool:
        return any(act.answers in self._calls for act in self._answers)

    def _act(self, act: Act, now: float) -> bool:
        player = self._went.player
        self._went.done.append((now, act))
        if act.answers is not None:
            self._answers.remove(act)
            player.client_said({**act.what, "id": self._calls[act.answers][1]}, now)
            return False
        self._main.pop(0)
        self._last_ms = now
        if act.what is None:
            player.client_closed(now)
            return True
        if isinstance(act.what, bytes):
            player.client_sent_audio(act.what, now)
        else:
            player.client_said(act.what, now)
        return False
