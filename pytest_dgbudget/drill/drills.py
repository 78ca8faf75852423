"""The drills: what breaks, and what has to close the session then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from pytest_dgbudget.drill.drilled_run import DrilledRun
from pytest_dgbudget.drill.machine import shows_processes
from pytest_dgbudget.model import ClosedBy

# Budgets that are to cut the session, and one that must not.
_SHORT_MS = 1500
_LONG_MS = 60_000
# How much longer than its budget a session is waited for.
_PATIENCE_SECONDS = 10.0


def _await_cut(run: DrilledRun) -> None:
    run.wait_closed(run.sessions, _SHORT_MS / 1000 + _PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What is to be cut by its test's budget, unless it says otherwise.

    ``act`` is called when ``sessions`` are open, and returns when nothing more is to come.

    ``closed_by`` is what has to have closed one of them, or something else was drilled; None: nobody could record it.
    ``lacks`` says what the machine has not that it needs.
    """

    name: str
    project: str
    budget_ms: int = _SHORT_MS
    act: Callable[[DrilledRun], None] = _await_cut
    closed_by: ClosedBy | None = "test-budget"
    options: tuple[str, ...] = ()
    sessions: int = 1
    is_deaf: bool = False
    is_busy: bool = False
    lacks: Callable[[], str | None] = lambda: None


def _stop(run: DrilledRun) -> None:
    os.kill(run.process.pid, signal.SIGSTOP)
    _await_cut(run)


def _kill_pytest(run: DrilledRun) -> None:
    run.kill(run.process.pid, run.sessions)
    run.wait_closed(run.sessions, _PATIENCE_SECONDS)


def _kill_worker(run: DrilledRun) -> None:
    worker, session = run.wait_process_noted()
    run.kill(worker, [session])
    run.wait_closed([session], _PATIENCE_SECONDS)


def _kill_gateway(run: DrilledRun) -> None:
    run.kill(run.gateway(), run.sessions)
    run.wait_replaced()
    run.wait_ended()


def _lacks_xdist() -> str | None:
    return None if find_spec("xdist") else "pytest-xdist is not installed"


def _lacks_processes() -> str | None:
    return None if shows_processes() else "there is neither /proc nor ps here, by which the gateway is found"


DRILLS = (
    Drill(name="sleep", project="test_sleeps.py"),
    Drill(name="regex", project="test_regex.py", is_busy=True),
    Drill(name="sum", project="test_sum.py", is_busy=True),
    Drill(name="sigstop", project="test_sleeps.py", act=_stop),
    Drill(
        name="kill-pytest",
        project="test_sleeps.py",
        budget_ms=_LONG_MS,
        act=_kill_pytest,
        closed_by="owner-lost",
    ),
    Drill(
        name="kill-worker",
        project="test_sleeps.py",
        budget_ms=_LONG_MS,
        options=("-p", "xdist", "-n2", "--max-worker-restart=0"),
        sessions=2,
        lacks=_lacks_xdist,
        act=_kill_worker,
        closed_by="owner-lost",
    ),
    Drill(
        name="kill-gateway",
        project="test_waits.py",
        budget_ms=_LONG_MS,
        lacks=_lacks_processes,
        act=_kill_gateway,
        closed_by="gateway-lost",
    ),
    Drill(
        name="exit",
        project="test_exits.py",
        budget_ms=_LONG_MS,
        act=DrilledRun.wait_ended,
        closed_by="owner-lost",
    ),
    Drill(
        name="fork",
        project="test_forks.py",
        budget_ms=_LONG_MS,
        act=_kill_pytest,
        closed_by="owner-lost",
    ),
    Drill(
        name="full-disk",
        project="test_fills.py",
        budget_ms=_LONG_MS,
        act=DrilledRun.wait_ended,
        closed_by=None,
    ),
    Drill(name="deaf-vendor", project="test_sleeps.py", is_deaf=True),
    Drill(
        name="reconnect-storm",
        project="test_reconnects.py",
        options=("--dg-max-sessions=4",),  # many at once would use up their lease within a handshake
        is_busy=True,
        act=DrilledRun.wait_ended,
    ),
    Drill(
        name="leaked-session",
        project="test_leaves_open.py",
        budget_ms=_LONG_MS,
        act=DrilledRun.wait_ended,
        closed_by="teardown",
    ),
)
