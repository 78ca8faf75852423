"""The suite's own server: it ends with whoever started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import ROOT, PostgresServer
from tests.support.processes import wait_until

STARTS_AND_HANGS = """
import sys, time
from tests.support.postgres import postgres_server
with postgres_server() as server:
    print(server.folder, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("postgres")  # skipped where there is none
def test_a_server_whose_session_is_killed_ends_and_leaves_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", STARTS_AND_HANGS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert PostgresServer(str(folder)).execute("SELECT 1") == [(1,)]
    process.kill()
    process.communicate()
    wait_until(lambda: not folder.exists())
