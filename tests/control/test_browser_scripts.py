"""Scripts for browsers: whoever lives keeps theirs, and what killed processes left goes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from pytest_dgbudget.control.browser_scripts import BrowserScriptFiles, dead_script_folders
from pytest_dgbudget.redirect import RedirectSettings

SETTINGS = RedirectSettings("127.0.0.1:1", "a" * 40, "wss://agent.deepgram.com/v1/agent/converse")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_next_run_removes_what_a_killed_one_left(folder: Path) -> None:
    dead, new = folder / "dgbudget-scripts-dead", folder / "dgbudget-scripts-new"
    for each in (dead, new):
        each.mkdir(mode=0o700)
    os.utime(dead, (time.time() - 3600,) * 2)
    files = BrowserScriptFiles()
    assert Path(files.path_of(SETTINGS)).exists()
    assert not dead.exists()
    assert new.exists()  # whoever made it may not have locked it yet
    files.remove()


def test_scripts_of_a_process_that_lives_are_kept_however_old_they_are() -> None:
    files = BrowserScriptFiles()
    files.path_of(SETTINGS)
    os.utime(files.folder, (time.time() - 3600,) * 2)
    assert list(dead_script_folders()) == []
    files._unlock()  # as when it is killed
    assert list(dead_script_folders()) == [files.folder]
    files.remove()
    assert not files.folder.exists()
