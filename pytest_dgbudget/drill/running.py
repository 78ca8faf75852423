"""Run drills, some of them side by side, and judge what was metered."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pytest_dgbudget.drill.drilled_run import DrilledRun
from pytest_dgbudget.drill.drills import Drill
from pytest_dgbudget.drill.measure import lateness_ms, leak_ms
from pytest_dgbudget.drill.results import PROMISED_MS, DrillResult
from pytest_dgbudget.drill.stand_in_process import DrillFailed, StandIn
from pytest_dgbudget.processes import Interpreter

# Those that only wait, side by side; those that keep a processor busy, one at a time beside them: on two processors no
# figure shows the load of another drill.
_QUIET_AT_ONCE = 2
_BUSY_AT_ONCE = 1


def run_drills(drills: Sequence[Drill], folder: Path, max_leak_ms: int | None) -> Generator[DrillResult, None, None]:
    """Yield each result when it is there; ``folder`` is where their files go.

    What is running when this is closed or interrupted is ended before it returns.
    """
    interpreter = Interpreter.of_this_process()
    limit_ms = PROMISED_MS if max_leak_ms is None else max_leak_ms
    with ExitStack() as stack:
        stand_in = stack.enter_context(StandIn(interpreter))
        quiet, busy = ThreadPoolExecutor(_QUIET_AT_ONCE), ThreadPoolExecutor(_BUSY_AT_ONCE)
        for executor in (quiet, busy):
            stack.callback(executor.shutdown, cancel_futures=True)
        stack.callback(stand_in.stopped.set)
        futures: set[Future[DrillResult]] = {
            (busy if drill.is_busy else quiet).submit(_run, drill, folder / drill.name, stand_in, interpreter, limit_ms)
            for drill in drills
        }
        while futures:
            done, futures = wait(futures, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)


def _run(drill: Drill, folder: Path, stand_in: StandIn, interpreter: Interpreter, limit_ms: int) -> DrillResult:
    if (reason := drill.lacks()) is not None:
        return DrillResult(name=drill.name, outcome="skipped", why=reason)
    run = DrilledRun(drill.name, folder, stand_in)
    try:
        _drill(drill, run, stand_in, interpreter)
        return _judge(drill, run, limit_ms)
    except (DrillFailed, OSError) as failure:
        return DrillResult(name=drill.name, outcome="failed", why=str(failure))


def _drill(drill: Drill, run: DrilledRun, stand_in: StandIn, interpreter: Interpreter) -> None:
    port = stand_in.deaf_port if drill.is_deaf else stand_in.port
    run.start(drill.project, drill.budget_ms, drill.options, port=port, interpreter=interpreter)
    try:
        run.wait_open(drill.sessions)
        drill.act(run)
    finally:
        run.end()


def _judge(drill: Drill, run: DrilledRun, limit_ms: int) -> DrillResult:
    sessions, usage = run.metered(), run.usage()
    allowance_ms = drill.budget_ms * len(usage["tests"])
    leaked = leak_ms(sessions, allowance_ms=allowance_ms, charged_ms=_charged_ms(usage), over_ms=run.over_ms)
    if leaked <= limit_ms and (other := _closed_otherwise(drill, usage)) is not None:
        raise DrillFailed(other)
    return DrillResult(
        name=drill.name,
        outcome="leaked" if leaked > limit_ms else "held",
        leak_ms=leaked,
        lateness_ms=lateness_ms(sessions, allowance_ms=allowance_ms, over_ms=run.over_ms),
    )


def _charged_ms(usage: dict[str, Any]) -> int:
    charged: float | None = usage["run"]["used_seconds"]
    if charged is None:
        raise DrillFailed("the report does not say what was charged")
    return round(charged * 1000)


def _closed_otherwise(drill: Drill, usage: dict[str, Any]) -> str | None:
    """Say so when something else closed the sessions than what was drilled: then nothing was."""
    causes = {session["closed_by"] for session in usage["sessions"]}
    if drill.closed_by in causes:
        return None
    seen = ", ".join(sorted(map(str, causes))) or "nothing"
    return f"its sessions were closed by {seen}, and none by {drill.closed_by}"
