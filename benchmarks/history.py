"""What a ledger's past costs: opening, the first session and the report, beside a ledger in which nothing has been."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.filled_ledgers import Files, Past
from benchmarks.pytests import project, running
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import Invocation, MeasuredTurn, TierSpan, UsageRecord
from pytest_dgbudget.report.projection import usage_document

MANY_RUNS = Past(runs=10_000, invocations=1, sessions=100)
ONE_RUN = Past(runs=1, invocations=1000, sessions=100)
TENTH_OF_RUNS, TENTH_OF_RUN = replace(MANY_RUNS, runs=1000), replace(ONE_RUN, invocations=100)
EMPTY, FILLED, NEW_ID, OLD_ID = "an empty ledger", "a filled ledger", "a new run id", "a run id used for years"
LIMIT = 1.1
DELETE_SUMS = "DELETE FROM closed_sum"
# How often a trial does what is quick: a single time would be mostly noise.
TIMES = 5
TEST = "def test_it(voice_agent):\n    with voice_agent.connect(): pass\n"


def benchmarks() -> Sequence[Benchmark]:
    all_of_it, tenth = Files(MANY_RUNS), Files(TENTH_OF_RUNS)
    return [
        replace(in_cache(all_of_it), smaller=in_cache(tenth)),
        replace(not_in_cache(all_of_it), smaller=not_in_cache(tenth)),
        replace(whole_pytest(all_of_it), smaller=whole_pytest(tenth)),
        replace(one_run_id(Files(ONE_RUN)), smaller=one_run_id(Files(TENTH_OF_RUN))),
    ]


def in_cache(files: Files) -> Benchmark:
    without_index = Subject(
        name="filled, without the index lease_in_run",
        trial=lambda: several_times(1, files.without_index),
        every=60,
    )
    return _of_many_runs(files, "history.cached", "the file in the page cache", _leave, without_index, rounds=60)


def not_in_cache(files: Files) -> Benchmark:
    made = _of_many_runs(files, "history.uncached", "nothing of the file in the page cache", forget, rounds=20)
    return replace(made, missing="" if hasattr(os, "posix_fadvise") else "needs a system with posix_fadvise")


def _of_many_runs(
    files: Files, name: str, how: str, prepare: Callable[[Path], None], *more: Subject, rounds: int
) -> Benchmark:
    return Benchmark(
        name=name,
        title=f"a run in a ledger of {files.title.format('runs')}; {how}",
        subjects=[
            Subject(name=EMPTY, trial=lambda: several_times(TIMES, files.empty, prepare), setup=files.are_there),
            Subject(name=FILLED, trial=lambda: several_times(TIMES, files.filled, prepare)),
            *more,
        ],
        figures=[_figure(figure, FILLED, EMPTY) for figure in ("all three", "opening", "first session", "report")],
        trials=rounds,
        quick_trials=10,
    )


def one_run_id(files: Files) -> Benchmark:
    def of(
        run: Callable[[], str], path: Callable[[], Path], change: str = "", times: int = TIMES
    ) -> Callable[[], Figures]:
        return lambda: several_times(times, path(), lambda file: changed(file, change), run)

    def old() -> str:
        return "run-0"

    return Benchmark(
        name="history.one_run",
        title=f"one run id with {files.title.format('invocations')}, beside a new one in the same ledger",
        subjects=[
            Subject(name=NEW_ID, trial=of(_new_id, lambda: files.filled), setup=files.are_there),
            Subject(name=OLD_ID, trial=of(old, lambda: files.filled)),
            Subject(name="the same without closed sums", trial=of(old, lambda: files.filled, DELETE_SUMS, 1), every=5),
            Subject(name="the same without the index", trial=of(old, lambda: files.without_index), every=5),
            Subject(
                name="the same without either", trial=of(old, lambda: files.without_index, DELETE_SUMS, 1), every=5
            ),
        ],
        figures=[_figure(figure, OLD_ID, NEW_ID) for figure in ("both", "opening", "first session")],
        trials=20,
        quick_trials=5,
    )


def whole_pytest(files: Files) -> Benchmark:
    return Benchmark(
        name="history.pytest",
        title=f"a pytest of one test with one session on the emulator, in a ledger of {files.title.format('runs')}",
        subjects=[
            Subject(name=EMPTY, trial=lambda: pytest_in(None), setup=files.are_there),
            Subject(name=FILLED, trial=lambda: pytest_in(files.filled)),
        ],
        figures=[_figure("whole pytest", FILLED, EMPTY)],
        trials=20,
        quick_trials=2,
    )


def _figure(name: str, subject: str, reference: str) -> Figure:
    reach = Reach(subject=subject, limit=LIMIT, of="ratio", row=f"{name}: {subject} / {reference}")
    return Figure(name=name, unit="ms", reach=reach)


def _new_id() -> str:
    return f"new-{token_hex(8)}"


def _leave(path: Path) -> None:
    """Change nothing."""


def several_times(
    times: int, path: Path, prepare: Callable[[Path], None] = _leave, run: Callable[[], str] = _new_id
) -> Figures:
    """Run in this ledger, each time as an invocation of its own."""
    measured = []
    for _ in range(times):
        prepare(path)
        measured.append(_one_invocation(path, run()))
    return {name: [each[name] for each in measured] for name in measured[0]}


def _one_invocation(path: Path, run: str) -> dict[str, float]:
    """Milliseconds of each part; commits reach the disk, as they do where money is spent."""
    began = time.perf_counter()
    ledger = Ledger(SqliteConnection(path, durable=True), _invocation(run), highest_price=163_000)
    try:
        ledger.begin(lambda lease: False, lambda run, gateway: False)
        opened = time.perf_counter()
        _one_session(ledger)
        closed = time.perf_counter()
        if run.startswith("new"):
            usage_document(ledger.facts())
        reported = time.perf_counter()
    finally:
        ledger.close()
    return {
        "opening": (opened - began) * 1000,
        "first session": (closed - opened) * 1000,
        "report": (reported - closed) * 1000,
        "both": (closed - began) * 1000,
        "all three": (reported - began) * 1000,
    }


def _invocation(run: str) -> Invocation:
    return Invocation(
        id=token_hex(8),
        run=run,
        target="live",
        billed=True,
        tag=f"dgbudget-{run}",
        budget_ms=10**12,
        host="here",
        pid=os.getpid(),
    )


def _one_session(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("tests/test_it.py::test_0", "", 60_000)
    taken = ledger.lease_to_dial(attempt)
    if not isinstance(taken, tuple):
        raise RuntimeError(f"a lease of the benchmark was not given: {taken}")
    lease, dial = taken
    ledger.record_welcome(dial, "request", 80)
    ledger.record_usage(_usage(dial))
    ledger.settle(lease, 12_000, 15_000)


def _usage(dial: str) -> UsageRecord:
    return UsageRecord(
        dial=dial,
        request_id="request",
        closed_at=utc_now(),
        ms=12_000,
        handshake_ms=80,
        audio_in_ms=4000,
        audio_out_ms=5000,
        closed_by="client",
        close_code=1000,
        confirmed=True,
        tagged=True,
        tier="standard",
        micro_usd=15_000,
        tier_spans=(TierSpan(from_ms=0, ms=12_000, tier="standard", micro_usd_per_minute=75_000, estimated=False),),
        turns=(
            MeasuredTurn(
                started_ms=3000,
                since="audio",
                answered_ms=3900,
                overlapped=False,
                unpaced=False,
                continued=False,
                function_ms=0,
            ),
        ),
    )


def forget(path: Path) -> None:
    """Have the system drop a file from its page cache; what is not on the disk yet would stay."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def changed(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
        ledger.execute(statement)


def pytest_in(ledger: Path | None) -> Figures:
    """From its start to its end; None: in a project that has no ledger yet."""
    with project(TEST) as folder:
        arguments = ["--dg-target=emulator", f"--dg-ledger=sqlite:///{ledger or folder / 'new' / 'ledger.db'}"]
        began = time.perf_counter()
        with running(folder, arguments, {}) as process:
            if process.wait() != 0:
                raise RuntimeError("a pytest of the benchmark failed")
            return {"whole pytest": (time.perf_counter() - began) * 1000}
