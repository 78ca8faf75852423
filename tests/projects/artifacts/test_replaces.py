"""A test that fails while it has replaced what files are written with."""

import os
from typing import Any

import pytest

from pytest_dgbudget import VoiceAgent


def refuse(*_: Any, **__: Any) -> Any:
    raise OSError("there are no files here")


def test_has_replaced_open(voice_agent: VoiceAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    with voice_agent.connect() as session:
        session.say("hello")
    monkeypatch.setattr(os, "open", refuse)
    raise AssertionError
