"""Each worker runs this at once, until both have seen the other at it."""

import os
import time
from pathlib import Path

import application

TOKEN = Path("token.txt").read_text(encoding="utf-8")


def test_it() -> None:
    Path(f"here-{os.environ['PYTEST_XDIST_WORKER']}").touch()
    deadline = time.monotonic() + 30
    while len(list(Path.cwd().glob("here-*"))) < 2 and time.monotonic() < deadline:
        if os.environ["PYTEST_XDIST_WORKER_COUNT"] == "1":
            break
        time.sleep(0.01)
    assert application.refusal(TOKEN) == (409, "DGBUDGET_AMBIGUOUS")
