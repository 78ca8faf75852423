"""What an error says about what came instead of the awaited message."""

from __future__ import annotations

from dataclasses import replace

from pytest_dgbudget.client.expectations import _MOST_LISTED, listed
from pytest_dgbudget.client.received import AgentAudio
from pytest_dgbudget.rules.vendor_messages import Message, parse


def messages(count: int) -> list[Message]:
    return [replace(parse(f'{{"type": "Step{number}"}}'), at=number / 10) for number in range(count)]


def test_of_a_flood_the_last_messages_are_listed() -> None:
    text = listed(messages(10_000))
    assert text.startswith(f"\n  ({10_000 - _MOST_LISTED} earlier)\n")
    assert text.endswith("\n  999.90 s  Step9999")
    assert len(text) < 2000


def test_a_few_messages_are_all_listed_each_on_a_line_with_its_time() -> None:
    assert listed(messages(2)) == "\n    0.00 s  Step0\n    0.10 s  Step1"
    assert "earlier" not in listed(messages(_MOST_LISTED))
    assert listed([]) == "nothing"


def test_audio_is_listed_with_its_length() -> None:
    audio = AgentAudio(at=1.5, until=1.9, seconds=2.0, data=bytes(96_000))
    unknown = AgentAudio(at=1.5, until=1.9, seconds=None, data=bytes(10))
    assert listed([audio, unknown]) == "\n    1.50 s  (agent audio, 2.0 s)\n    1.50 s  (agent audio, 10 bytes)"
