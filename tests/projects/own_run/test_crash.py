"""The second test runs in a worker that takes the place of the first one's."""

import os
from pathlib import Path

import application


def test_crashes() -> None:
    application.visit()
    os._exit(1)


def test_is_run_by_another_worker() -> None:
    Path("key.txt").write_text(application.KEY, encoding="utf-8")
    application.visit().close()
