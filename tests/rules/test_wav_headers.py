"""A WAV header in the agent's audio is no speech, wherever it is cut."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_dgbudget.rules.wav_headers import WavHeaders


def headers_of(container: Any = "wav") -> WavHeaders:
    headers = WavHeaders()
    headers.settings({"audio": {"output": {"container": container}}})
    return headers


def test_what_begins_may_be_a_header_in_several_parts_and_speech_after_it_is_none() -> None:
    headers = headers_of()
    assert [headers.is_one(size) for size in (20, 24, 960, 20)] == [True, True, False, False]


def test_a_header_with_speech_in_one_message_is_speech() -> None:
    assert not headers_of().is_one(44 + 960)


def test_each_reply_may_have_one() -> None:
    headers = headers_of()
    assert not headers.is_one(960)
    headers.may_begin()
    assert headers.is_one(44)


@pytest.mark.parametrize("settings", [{}, {"audio": None}, {"audio": {"output": []}}, {"audio": {"output": {}}}])
def test_without_a_container_there_is_none(settings: dict[str, Any]) -> None:
    headers = WavHeaders()
    assert not headers.is_one(44)
    headers.settings(settings)
    headers.may_begin()
    assert not headers.is_one(44)
