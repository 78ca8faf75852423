"""Latency as a real gateway measures it, against what both ends of each session know of the same instants.

The clock of both ends is one. What passes does so not before one end sent it, and not after the other one had it: a
figure that is right lies between the two, however busy the machine is.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_world import ROOT, installed
from tests.support.gateway import opened
from tests.support.ledger import rows_of
from tests.support.project import Project, Result
from tests.support.timed_client import hold
from tests.support.timed_scenes import SCRIPTS, Script
from tests.support.timed_vendor import Expected, Log, Point, Stage, TimedVendor, duration_ms, passed

# Speech is looked at in windows of 20 ms, and instants are whole milliseconds. A client's frame adds nothing to it.
WINDOW_MS, ROUNDING_MS = 20, 2
# Audio that is later than that may be marked as unpaced: it catches up faster than real time.
MOST_HELD_UP_MS = 150
# How many sessions are open at once: more would make the machine late for all of them.
AT_ONCE = 30
RUN = ("--dg-target=live", "--dg-budget=5m", "--dg-reconcile=off", "-n0")
TURN = "started_ms, since, answered_ms, overlapped, unpaced, continued, function_ms"


class Held:
    """A session that was held: what both ends noted, and what the gateway made of it."""

    def __init__(self, name: str, script: Script, client: Log, stage: Stage, folder: Path) -> None:
        (self.session,) = (
            each for each in Result(0, "", folder).usage["sessions"] if each["request_id"] == stage.seen.request_id
        )
        columns = TURN.split(", ")
        rows = rows_of(folder, f"SELECT {TURN} FROM turn WHERE dial = '{self.session['id']}' ORDER BY number")
        self.turns = [dict(zip(columns, row, strict=True)) for row in rows]
        self.script = script
        self.stage = stage
        self._name = name
        self._client = client

    def check(self) -> None:
        assert len(self.turns) == len(self.stage.turns) == self.session["turns"]
        for turn, expected in zip(self.turns, self.stage.turns, strict=True):
            self._check_turn(turn, expected)
        self._check_greeting()
        self._check_percentiles()
        self._check_what_stands_beside()

    def _check_turn(self, turn: Mapping[str, Any], expected: Expected) -> None:
        marks = {name: bool(turn[name]) for name in ("overlapped", "unpaced", "continued")}
        may_be = {"unpaced": marks["unpaced"]} if self._held_up_ms() > MOST_HELD_UP_MS else {}
        assert marks == {**{name: getattr(expected, name) for name in marks}, **may_be}
        assert turn["since"] == expected.since
        if expected.calls is None:
            assert turn["function_ms"] == 0
        else:
            self._check_duration("function", turn["function_ms"], *expected.calls)
        if expected.answer is None:
            assert turn["answered_ms"] is None
        else:
            window_ms = WINDOW_MS if expected.since == "audio" else 0
            latency_ms = turn["answered_ms"] - turn["started_ms"]
            self._check_duration("latency", latency_ms, expected.start, expected.answer, window_ms)

    def _held_up_ms(self) -> float:
        """Return how late the user's audio was at most: of a machine that stands still, it comes in a burst."""
        pieces = [Point("audio", end) for end, _ in self.stage.log["audio"]]
        moments = [passed(piece, self._client, self.stage) for piece in pieces]
        return max(((moment.latest - moment.earliest) * 1000 for moment in moments), default=0.0)

    def _check_greeting(self) -> None:
        if self.stage.greeting is None:
            assert self.session["greeting_ms"] is None
        else:
            self._check_duration("greeting", self.session["greeting_ms"], *self.stage.greeting)

    def _check_percentiles(self) -> None:
        answered = [turn for turn in self.turns if turn["answered_ms"] is not None and not turn["unpaced"]]
        judged = sorted(turn["answered_ms"] - turn["started_ms"] for turn in answered if turn["since"] != "transcript")
        assert self.session["latency_p50_ms"] == (judged[(len(judged) - 1) // 2] if judged else None)
        assert self.session["latency_p95_ms"] == (judged[-1] if judged else None)

    def _check_what_stands_beside(self) -> None:
        """The marks are counted; the vendor's own figures are as it sent them, and not ours."""
        marks = ("overlapped", "unpaced", "continued")
        unanswered = sum(turn["answered_ms"] is None and not turn["continued"] for turn in self.turns)
        from_text = sum(turn["since"] == "transcript" for turn in self.turns)
        assert self.session["marked_turns"] == {
            **{mark: sum(turn[mark] for turn in self.turns) for mark in marks},
            "transcript": from_text,
            "unanswered": unanswered,
        }
        assert (self.session["transcript_latency"] or {"turns": 0})["turns"] == from_text
        assert self.session["function_max_ms"] == max((turn["function_ms"] for turn in self.turns), default=0)
        reported = sorted(self.stage.reported_ms)
        assert self.session["vendor_latency"] == {
            "reports": len(reported),
            "p50_ms": reported[(len(reported) - 1) // 2] if reported else None,
            "p95_ms": reported[-1] if reported else None,
        }

    def _check_duration(self, what: str, ms: int, start: Point, end: Point, window_ms: int = 0) -> None:
        least, most = duration_ms(*(passed(point, self._client, self.stage) for point in (start, end)))
        print(f"{self._name}: {what} {ms} ms, from {least:.1f} to {most:.1f}; {self.stage.late_ms:.1f} late")
        assert least - window_ms - ROUNDING_MS <= ms <= most + window_ms + ROUNDING_MS


@pytest.fixture(scope="module")
def vendor() -> Iterator[TimedVendor]:
    scenes = {name: script.scene for name, script in SCRIPTS.items()}
    with TimedVendor(scenes, {name: script.bytes_per_ms for name, script in SCRIPTS.items()}) as server:
        yield server


@pytest.fixture(scope="module")
def held(vendor: TimedVendor, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Held]:
    """Every script, held by a plain client."""
    folder = tmp_path_factory.mktemp("latency")
    with opened(vendor.url, folder) as gateway:
        url, token = f"ws://127.0.0.1:{gateway.port}/v1/agent/converse", gateway.grant(600_000).token
        logs = asyncio.run(hold_all(url, token))
        gateway.run.finish(0, wait=False, still_waiting=lambda: None)
    return {name: Held(name, SCRIPTS[name], log, vendor.stages[f"plain/{name}"], folder) for name, log in logs.items()}


async def hold_all(url: str, token: str) -> Mapping[str, Log]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Log:
        async with places:
            return await asyncio.wait_for(hold(url, token, f"plain/{name}", SCRIPTS[name]), 30)

    return dict(zip(SCRIPTS, await asyncio.gather(*map(one, SCRIPTS)), strict=True))


def check_project(project: Project, result: Result, vendor: TimedVendor) -> None:
    """Check the sessions of a project that has left its logs."""
    assert result.status == 0, result.output
    logs = json.loads((project.path / "logs.json").read_text(encoding="utf-8"))
    for name, log in logs.items():
        Held(name, SCRIPTS[name], log, vendor.stages[name], project.path).check()
    assert len(logs) == len(result.usage["sessions"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_latency_is_the_silence_that_both_ends_know_of(held: Mapping[str, Held], name: str) -> None:
    held[name].check()


def test_latency_of_our_own_client(project: Project, vendor: TimedVendor) -> None:
    project.use("latency/test_own_client.py")
    result = project.run(*RUN, env={**vendor.environ, "PYTHONPATH": str(ROOT)})
    check_project(project, result, vendor)


@pytest.mark.slow
def test_latency_of_the_official_sdk(project: Project, vendor: TimedVendor) -> None:
    project.use("latency/test_sdk.py")
    packages = os.pathsep.join([str(installed("SDK 7")), str(ROOT)])
    result = project.run(*RUN, env={**vendor.environ, "PYTHONPATH": packages})
    check_project(project, result, vendor)
