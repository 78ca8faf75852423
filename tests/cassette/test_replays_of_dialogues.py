"""Any conversation, replayed by a client that behaves as it did: never a mismatch, everything in order and in time."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.cassette.cassette import Cassette, CassetteEvent
from pytest_dgbudget.model import CassetteAudioRule
from tests.cassette.replays import acts_of, replay, terms
from tests.support.dialogues import VENDOR, dialogue

SEEDS = st.integers(0, 2**32)
each_rule = pytest.mark.parametrize("audio", ["exact", "length", "any"])


@each_rule
@given(seed=SEEDS)
def test_at_pace_vendor_each_message_comes_when_it_came_in_the_recording(seed: int, audio: CassetteAudioRule) -> None:
    cassette = dialogue(Random(seed))
    went = replay(cassette, acts_of(cassette), terms(audio), "vendor")
    assert went.mismatch is None
    late = [at_ms - event.at_ms for (at_ms, _), event in zip(went.delivered, _vendors(cassette), strict=True)]
    assert max(map(abs, late)) < 1


def _vendors(cassette: Cassette) -> list[CassetteEvent]:
    return [event for event in cassette.events if event.side == VENDOR]
