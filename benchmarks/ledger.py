"""Leases per second: taken, recorded as dialled, and settled, by one process and by eight on one file."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty

from benchmarks.comparison import Benchmark, Figure, Figures, Subject
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import Invocation

SECONDS = 1.0
# Enough for all: a writer waits for the file, never for what another one has leased.
RUN_MS, TEST_MS = 10**12, 2 * 3600 * 1000

# Work: folder, number of the writer → one lease each time that it is called.
Writer = Callable[[Path, int], Callable[[], None]]


def benchmarks() -> Sequence[Benchmark]:
    return [with_writers(1), with_writers(8)]


def with_writers(count: int) -> Benchmark:
    return Benchmark(
        name=f"ledger.{count}",
        title=f"leases with {count} writer{'s' if count > 1 else ''}",
        subjects=[
            Subject(name="ledger, every commit on the disk", trial=lambda: trial(durable, count)),
            Subject(name="ledger, nothing is billed", trial=lambda: trial(not_durable, count)),
            Subject(name="filelock and JSON", trial=lambda: trial(locked_json, count), needs=["filelock"]),
        ],
        figures=[
            Figure(name="leases", unit="per second", better="higher"),
            Figure(name="worst wait", unit="ms", statistic="max"),
        ],
        trials=10,
        quick_trials=2,
        warm_up=0,
    )


def trial(writer: Writer, count: int) -> Figures:
    """All of them write for a second."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[int, float]] = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        start = context.Barrier(count)
        writers = [
            context.Process(target=write, args=(writer, Path(folder), n, start, results), daemon=True)
            for n in range(count)
        ]
        for process in writers:
            process.start()
        came = [result_of(results) for _ in writers]
        for process in writers:
            process.join()
    return {"leases": sum(done for done, _ in came) / SECONDS, "worst wait": max(worst for _, worst in came) * 1000}


def result_of(results: multiprocessing.Queue[tuple[int, float]]) -> tuple[int, float]:
    try:
        return results.get(timeout=SECONDS + 60)
    except Empty:
        raise RuntimeError("a writer of the benchmark broke") from None


def write(writer: Writer, folder: Path, number: int, start, results) -> None:  # type: ignore[no-untyped-def]
    lease = writer(folder, number)
    lease()
    start.wait()
    done, worst, now = 0, 0.0, time.perf_counter()
    until = now + SECONDS
    while now < until:
        lease()
        before, now = now, time.perf_counter()
        done, worst = done + 1, max(worst, now - before)
    results.put((done, worst))


def durable(folder: Path, number: int) -> Callable[[], None]:
    return leasing(folder, number, durable=True)


def not_durable(folder: Path, number: int) -> Callable[[], None]:
    return leasing(folder, number, durable=False)


def leasing(folder: Path, number: int, *, durable: bool) -> Callable[[], None]:
    """A ledger of an invocation of its own in the run that all of them share."""
    invocation = Invocation(
        id=f"invocation-{number}",
        run="run",
        target="live",
        billed=durable,
        tag="dgbudget-run",
        budget_ms=RUN_MS,
        host="here",
        pid=number,
    )
    ledger = Ledger(SqliteConnection(folder / "ledger.db", durable=durable), invocation, highest_price=163_000)
    ledger.begin(lambda lease: True, lambda run, gateway: True)
    attempt = ledger.begin_attempt("test_it", "", TEST_MS)

    def lease() -> None:
        taken = ledger.lease_to_dial(attempt)
        if not isinstance(taken, tuple):
            raise RuntimeError(f"a lease of the benchmark was not given: {taken}")
        ledger.settle(taken[0], 1)

    return lease


def locked_json(folder: Path, number: int) -> Callable[[], None]:
    """The ledger that one writes in a quarter of an hour."""
    from filelock import FileLock

    path, lock = folder / "spent.json", FileLock(folder / "spent.lock")

    def change(by_ms: int) -> None:
        with lock:
            spent = json.loads(path.read_text()) if path.exists() else {"ms": 0}
            spent["ms"] += by_ms
            path.write_text(json.dumps(spent))

    def lease() -> None:
        change(10_000)
        change(1 - 10_000)

    return lease
