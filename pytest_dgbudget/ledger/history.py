"""What tests have spent in runs of the past: read, and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger import past_sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.rules.plan import PastRun

# Of each test so many attempts are looked at, none of them older than this: what a test was long ago says little of it.
LAST_ATTEMPTS = 20
RECENT = timedelta(days=90)


class PastOfTest(NamedTuple):
    """What one test spent live, and what it would have spent by the forecasts of emulated sessions; the last first."""

    live: Sequence[PastRun]
    emulated: Sequence[PastRun]


def past_of(connection: Connection, names: Iterable[str]) -> PastOfTest:
    """Return the past of a test that was recorded under these names. Emulated runs are looked at where none was live.

    Rehearsals are in neither: at which pace their emulator ran is not known.
    """
    names = list(names)
    live = _runs(connection, past_sql.LIVE_PAST, names)
    return PastOfTest(live, () if live else _runs(connection, past_sql.EMULATED_PAST, names))


def _runs(connection: Connection, statement: str, names: Iterable[str]) -> list[PastRun]:
    since = write_instant(connection.now() - RECENT)
    rows = [
        row
        for name in names
        for row in connection.rows(statement, {"nodeid": name, "since": since, "most": LAST_ATTEMPTS})
    ]
    return [run for run in map(_run_of, _by_run(rows)) if run is not None]


def _by_run(attempts: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the attempts of each invocation together, of each worker where every worker runs every test."""
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for attempt in attempts:
        runs.setdefault((attempt["invocation"], attempt["worker"]), []).append(attempt)
    return [*runs.values()]


def _run_of(attempts: Sequence[Mapping[str, Any]]) -> PastRun | None:
    """Return what an invocation spent on a test; None where that is not all of it, or nobody saw all of it."""
    if attempts[-1]["number"] != 1 or any(each["refused"] or each["unseen"] or not each["ended"] for each in attempts):
        return None
    costs = [each["micro_usd"] for each in attempts]
    return PastRun(sum(each["ms"] for each in attempts), None if None in costs else sum(costs))
