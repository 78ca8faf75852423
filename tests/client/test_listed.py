"""What an error says about messages that came instead of the awaited one."""

from __future__ import annotations

from pytest_dgbudget.client.expectations import _MOST_LISTED, listed
from pytest_dgbudget.rules.vendor_messages import Message, parse


def messages(count: int) -> list[Message]:
    return [parse(f'{{"type": "Step{number}"}}'.encode()) for number in range(count)]


def test_of_a_flood_the_last_messages_arelisted() -> None:
    text = listed(messages(10_000))
    assert text.endswith(f"Step9999 (and {10_000 - _MOST_LISTED} earlier)")
    assert len(text) < 1000


def test_a_few_messages_are_alllisted() -> None:
    assert listed(messages(2)) == "Step0, Step1"
    assert listed(messages(_MOST_LISTED)).startswith("Step0, ")
    assert listed([]) == "nothing"
