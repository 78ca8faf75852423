"""A world in which nothing of what the interpreter was started with is left."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def cleared() -> Iterator[None]:
    world = {"PATH": "", "PYTHONHOME": "/nowhere", "TMPDIR": "/nowhere"}
    with mock.patch.dict(os.environ, world, clear=True):
        yield


@pytest.fixture
def unsettled(cleared: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "executable", None)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")


def test_cleared(unsettled: None, voice_agent: VoiceAgent) -> None:
    with voice_agent.connect() as session:
        assert session.say("hello").reply
