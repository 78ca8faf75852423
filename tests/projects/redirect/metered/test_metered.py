"""Sessions that are redirected, here and in a child: ended by the client, cut at their test's budget, and left open.

The vendor withholds the Welcome of the next session when there is a file ``silent``, and removes the file then.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.projects.redirect.dial_any import SOURCES, outcome

TOLD = json.loads(os.environ["CLIENTS"])
HERE, IN_CHILD = TOLD["here"], TOLD["in child"]
HELD = {"old_sdk": "old_sdk_held", "old_sdk_async": "old_sdk_async_held"}
SILENT = Path("silent").absolute()


def start(client: str, *sources: str) -> subprocess.Popen[bytes]:
    """Start a child that dials; it may outlive its test, and pytest waits for it at its own end."""
    told = {"green": TOLD["green"], "clients": [client], "sources": sources, "modules": [], "redirect": None}
    path = os.pathsep.join([TOLD["packages"], os.environ["PYTHONPATH"]])
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.projects.redirect.cells", json.dumps(told)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    atexit.register(child.wait)
    return child


def wait_until_open() -> None:
    deadline = time.monotonic() + 20
    while SILENT.exists():
        assert time.monotonic() < deadline, "no session has reached the vendor"
        time.sleep(0.005)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("client", HERE)
def test_ends(client: str, source: str) -> None:
    assert "Welcome" in outcome(client, source)


@pytest.mark.dg_budget("500ms")
@pytest.mark.parametrize("client", HERE)
def test_is_cut(client: str) -> None:
    SILENT.touch()
    outcome(HELD.get(client, client), "hard-coded")


@pytest.mark.parametrize("client", HERE)
def test_leaves_open(client: str) -> None:
    SILENT.touch()
    threading.Thread(target=outcome, args=(HELD.get(client, client), "hard-coded"), daemon=True).start()
    wait_until_open()


@pytest.mark.parametrize("client", IN_CHILD)
def test_ends_in_child(client: str) -> None:
    said, _ = start(client, *SOURCES).communicate()
    assert said.count(b"Welcome") == len(SOURCES)


@pytest.mark.dg_budget("500ms")
@pytest.mark.parametrize("client", IN_CHILD)
def test_is_cut_in_child(client: str) -> None:
    SILENT.touch()
    start(HELD.get(client, client), "hard-coded").communicate()


@pytest.mark.parametrize("client", IN_CHILD)
def test_leaves_open_in_child(client: str) -> None:
    SILENT.touch()
    start(HELD.get(client, client), "hard-coded")
    wait_until_open()
