"""How late the server sees a session closed, when its time is up and the test does its worst."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.pytests import project, running
from benchmarks.recorder import Recorder, Session, recorder
from benchmarks.through_gateway import KEY

ALLOWED_SECONDS = 0.2
# The contract: the Close goes out a margin before the end of the allowance, 10 % of it up to 250 ms.
MARGIN_SECONDS = 0.02
# Beyond a machine word. A sum looks at no signal meanwhile, as a power or a pattern does.
BIG = 2**64
# A test misbehaves from its first instant until well after its deadline.
MISBEHAVES_SECONDS = 0.4


def seconds_of(work: Callable[[int], object], size: int) -> float:
    started = time.perf_counter()
    work(size)
    return time.perf_counter() - started


@cache
def long_regex() -> int:
    """How many letters keep a pattern busy for long enough here."""
    letters = 18
    while seconds_of(lambda size: re.match("(a|a)*$", "a" * size + "b"), letters) < MISBEHAVES_SECONDS:
        letters += 1
    return letters


@cache
def long_sum() -> int:
    """How many big numbers take long enough to add up here."""
    count = 1_000_000
    while seconds_of(lambda size: sum(range(BIG, BIG + size)), count) < MISBEHAVES_SECONDS:
        count = count * 5 // 4
    return count


# What a test does, as source; the last one is continued by us.
ADVERSARIES: dict[str, Callable[[], str]] = {
    "idle": lambda: f"await asyncio.sleep({MISBEHAVES_SECONDS})",
    "time.sleep": lambda: f"time.sleep({MISBEHAVES_SECONDS})",
    "regex": lambda: f"re.match('(a|a)*$', {'a' * long_regex() + 'b'!r})",
    "big sum": lambda: f"sum(range({BIG}, {BIG + long_sum()}))",
    "SIGSTOP": lambda: f"os.kill(os.getpid(), signal.SIGSTOP); await asyncio.sleep({MISBEHAVES_SECONDS / 2})",
}

# Until Python 3.10 there was no other.
TIMEOUT = "asyncio.timeout" if sys.version_info >= (3, 11) else "asyncio.wait_for"

HEAD = f"""
import asyncio, os, re, signal, threading, time
import pytest
from websockets.asyncio.client import connect

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("n", range(int(os.environ["TESTS"])))]

async def opened():
    websocket = await connect(os.environ["URL"], compression=None, proxy=None)
    await websocket.recv()
    await websocket.send('{{"type":"Settings"}}')
    await websocket.recv()
    return websocket

def due():
    return str(time.monotonic() + {ALLOWED_SECONDS})
"""

# Each lets go of the session in the way that its users would, and tells the server when its time will be up.
# Ours is due by what the server saw itself.
OURS = "pytest-dgbudget"
HOLDERS = {
    OURS: f"""
@pytest.mark.dg_budget("{ALLOWED_SECONDS}s")
async def test_it(voice_agent, n):
    session = await voice_agent.connect()
    await misbehave()
""",
    TIMEOUT: f"""
async def within_its_time(misbehaviour):
    if hasattr(asyncio, "timeout"):
        async with asyncio.timeout({ALLOWED_SECONDS}):
            await misbehaviour
    else:
        await asyncio.wait_for(misbehaviour, {ALLOWED_SECONDS})

async def test_it(n):
    websocket = await opened()
    await websocket.send(due())
    try:
        await within_its_time(misbehave())
    finally:
        websocket.transport.abort()
""",
    "pytest-timeout, signal": f"""
@pytest.mark.timeout({ALLOWED_SECONDS}, method="signal", func_only=True)
async def test_it(n):
    at = due()
    websocket = await opened()
    await websocket.send(at)
    try:
        await misbehave()
    finally:
        websocket.transport.abort()
""",
    "pytest-timeout, thread": f"""
@pytest.mark.timeout({ALLOWED_SECONDS}, method="thread", func_only=True)
async def test_it(n):
    at = due()
    websocket = await opened()
    await websocket.send(at)
    await misbehave()
""",
    "a watchdog thread": f"""
async def test_it(n):
    websocket = await opened()
    socket = websocket.transport.get_extra_info("socket")
    await websocket.send(due())
    threading.Timer({ALLOWED_SECONDS}, lambda: socket.shutdown(2)).start()
    await asyncio.sleep(0.01)  # It has begun to wait by then.
    await misbehave()
""",
}
# How many tests one pytest runs: ours are rare to be late, so they are many; the others are late by what the test does.
TESTS = {holder: 5 if holder == OURS else 1 for holder in HOLDERS}


def benchmarks() -> Sequence[Benchmark]:
    return [lateness_under(adversary) for adversary in ADVERSARIES]


def lateness_under(adversary: str) -> Benchmark:
    trials = Trials(adversary)
    reach = Reach(subject=OURS, limit=5, row=f"cut lateness seen by the server, p99, test: {adversary}")
    return Benchmark(
        name=f"lateness.{adversary.replace(' ', '_')}",
        title=f"lateness of the cut, test: {adversary}",
        subjects=[
            Subject(
                name=holder,
                trial=trials.of(holder),
                setup=trials.open if holder == OURS else None,
                needs=["pytest_timeout"] if holder.startswith("pytest-timeout") else [],
                every=1 if holder == OURS else 4,
            )
            for holder in HOLDERS
        ],
        figures=[
            Figure(name="lateness, p50", unit="ms", statistic="p50"),
            Figure(name="lateness, p99", unit="ms", statistic="p99", reach=reach),
            Figure(name="lateness, worst", unit="ms", statistic="max"),
        ],
        trials=20,
        quick_trials=1,
        warm_up=0,
        null_within=1,
    )


@dataclass(slots=True)
class Trials:
    """`recorder` is there from the reference's setup on, which is around all others."""

    adversary: str
    recorder: Recorder = field(default_factory=Recorder)

    @contextmanager
    def open(self) -> Iterator[None]:
        with recorder() as self.recorder:
            yield

    def of(self, holder: str) -> Callable[[], Figures]:
        return lambda: self.trial(holder)

    def trial(self, holder: str) -> Figures:
        late = self.milliseconds(holder)
        return {"lateness, p50": late, "lateness, p99": late, "lateness, worst": late}

    def milliseconds(self, holder: str) -> Sequence[float]:
        """One pytest with some tests, each with a session."""
        source = f"{HEAD}\nasync def misbehave():\n    {ADVERSARIES[self.adversary]()}\n{HOLDERS[holder]}"
        environ = {"URL": self.recorder.url, "DG_AGENT_URL": self.recorder.url, "DEEPGRAM_API_KEY": KEY}
        environ["TESTS"] = str(TESTS[holder])
        arguments = ["--dg-budget=10m", "--dg-reconcile=off"] if holder == OURS else ["-p", "no:dgbudget"]
        first = len(self.recorder.sessions)
        with project(source) as folder, running(folder, arguments, environ) as process:
            return [self.lateness(self.recorder.session(first + n), holder, process.pid) for n in range(TESTS[holder])]

    def lateness(self, session: Session, holder: str, pid: int) -> float:
        """Milliseconds. A test that stopped its process has it continued when all has been seen."""
        if self.adversary == "SIGSTOP":
            session.closed.wait(session.dialled_at + MISBEHAVES_SECONDS - time.monotonic())
            go_on(pid)
            while not session.closed.wait(1) and time.monotonic() < session.dialled_at + 20:
                go_on(pid)  # It may have stopped itself after our first one.
        if not session.closed.wait(20):
            raise RuntimeError(f"{holder} did not close its session within 20 s")
        return (session.closed_at - due_at(session, holder)) * 1000


def due_at(session: Session, holder: str) -> float:
    """The contract's deadline for ours, counted from the dial."""
    if holder == OURS:
        return session.dialled_at + ALLOWED_SECONDS - MARGIN_SECONDS
    if session.due is None:
        raise RuntimeError(f"{holder} ended before it had said when its session was due")
    return session.due


def go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
