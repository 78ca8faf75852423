"""Writes each call of a hook to a file, with the process and the thread that it is made in."""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget import ClosedSession, Discrepancy, EndedTurn, OpenedSession, OverrunReport, RunReport


def note(hook: str, **payload: Any) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "controller")
    in_main_thread = threading.current_thread() is threading.main_thread()
    line = {"hook": hook, "worker": worker, "in_main_thread": in_main_thread, **payload}
    with Path("calls.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, default=str) + "\n")


def pytest_dgbudget_session_opened(session: OpenedSession) -> None:
    note("session_opened", **asdict(session))


def pytest_dgbudget_turn(turn: EndedTurn, config: pytest.Config) -> None:
    note("turn", rootdir=str(config.rootpath), **asdict(turn))


def pytest_dgbudget_session_closed(session: ClosedSession) -> None:
    note("session_closed", **asdict(session))


def pytest_dgbudget_overrun(overrun: OverrunReport) -> None:
    note("overrun", **asdict(overrun))


def pytest_dgbudget_discrepancy(discrepancy: Discrepancy) -> None:
    note("discrepancy", **asdict(discrepancy))


def pytest_dgbudget_run_finished(run: RunReport) -> None:
    note("run_finished", **asdict(run))


def pytest_dgbudget_prices() -> Mapping[str, float | str]:
    note("prices")
    return {"standard": 0.6, "standard-byo-tts": 0.6, "as_of": "2026-11-01"}


def pytest_dgbudget_scrub(text: str) -> str:
    note("scrub", text=text)
    return text.replace("Ada", "[name]")
