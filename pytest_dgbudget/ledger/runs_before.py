"""What the tests of a run and of those before it came to: read, and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from pytest_dgbudget.instants import epoch_ms, instant_at
from pytest_dgbudget.ledger import past_sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import TurnFacts
from pytest_dgbudget.ledger.history import RECENT
from pytest_dgbudget.rules.attempts import was_cut
from pytest_dgbudget.rules.levels import MOST_RUNS
from pytest_dgbudget.rules.percentiles import judged_latencies_ms, percentile_ms
from pytest_dgbudget.rules.regression import RunUse, UseOfTest
from pytest_dgbudget.units import known_sum

Row = Mapping[str, Any]
TurnsOf = Mapping[str, Sequence[TurnFacts]]
"""By attempt."""


class EarlierRun(NamedTuple):
    """What all sessions of a run's own target came to: forecasts where they were emulated.

    ``micro_usd`` is None where it is not known of a session. ``use`` has the tests that can be compared.
    """

    id: str
    started_at: str
    tests: int
    sessions: int
    ms: int
    micro_usd: int | None
    latency_p50_ms: int | None
    use: RunUse


class RunsBefore(NamedTuple):
    """What the tests of a run came to that can be compared, and the ``earlier`` runs, the last of them last."""

    use: RunUse
    earlier: Sequence[EarlierRun]


def runs_before(connection: Connection, run: str) -> RunsBefore:
    """Return the last runs before this one of the same target that came to their end. Raises LedgerError."""
    with connection.snapshot():
        this = connection.rows(past_sql.COMPARED_RUN, {"run": run})
        if not this:
            return RunsBefore({}, ())
        values = {"run": run, "target": this[0]["target"], **_before(this[0]["at"])}
        found = connection.rows(past_sql.RUNS_BEFORE, values)
        values["since"] = found[-1]["started_at"] if found else values["before"]  # no run is looked at again
        sessions = _grouped(connection.rows(past_sql.SESSIONS_OF_RUNS_BEFORE, values), "run")
        turns = connection.rows(past_sql.TURNS_OF_RUNS_BEFORE, values)
    turns_of = {attempt: [TurnFacts(**row) for row in rows] for attempt, rows in _grouped(turns, "attempt").items()}
    earlier = [_earlier_run(row, sessions[row["id"]], turns_of) for row in reversed(found)]
    return RunsBefore(_use_of(sessions.get(run, []), turns_of), earlier)


def _before(instant: str) -> dict[str, Any]:
    since = instant_at(epoch_ms(instant) - RECENT // timedelta(milliseconds=1))
    return {"before": instant, "since": since, "most": MOST_RUNS}


def _grouped(rows: Iterable[Row], *by: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[by[0]] if len(by) == 1 else tuple(row[name] for name in by), []).append(row)
    return groups


def _earlier_run(run: Row, rows: Sequence[Row], turns_of: TurnsOf) -> EarlierRun:
    dialled = [row for row in rows if row["dial"] is not None and row["replayed_from"] is None]
    latencies_ms = [ms for attempt in {row["attempt"] for row in rows} for ms in _latencies_ms(attempt, turns_of)]
    return EarlierRun(
        id=run["id"],
        started_at=run["started_at"],
        tests=len({row["nodeid"] for row in rows}),
        sessions=sum(row["handshake_ms"] is not None for row in dialled),
        ms=sum(row["ms"] or 0 for row in dialled),
        micro_usd=known_sum(row["micro_usd"] for row in dialled),
        latency_p50_ms=percentile_ms(latencies_ms, 50),
        use=_use_of(rows, turns_of),
    )


def _use_of(rows: Iterable[Row], turns_of: TurnsOf) -> RunUse:
    """Return what each test came to, its reruns together; where several workers ran it, in one of them."""
    each = _grouped(rows, "nodeid", "invocation", "worker")
    return {nodeid: _use_of_test(rows, turns_of) for (nodeid, *_), rows in each.items() if _is_whole(rows)}


def _is_whole(rows: Sequence[Row]) -> bool:
    """Return whether a test passed at last, and somebody saw everything that it did: others ended early, or late.

    What was replayed would have taken time, and has not.
    """
    last = max(rows, key=lambda row: int(row["number"]))
    replayed = any(row["replayed_from"] is not None for row in rows)
    seen = all(row["dial"] is None or (row["ms"] is not None and not was_cut(row["closed_by"])) for row in rows)
    return last["outcome"] == "passed" and seen and not replayed and not any(row["refused"] for row in rows)


def _use_of_test(rows: Sequence[Row], turns_of: TurnsOf) -> UseOfTest:
    latencies_ms = [ms for attempt in {row["attempt"] for row in rows} for ms in _latencies_ms(attempt, turns_of)]
    return UseOfTest(sum(row["ms"] or 0 for row in rows), percentile_ms(latencies_ms, 50))


def _latencies_ms(attempt: str, turns_of: TurnsOf) -> list[int | None]:
    return judged_latencies_ms(turns_of.get(attempt, ()))
