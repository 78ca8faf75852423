"""What each budget counts: the leases of a test, of a path or of all of a run, and those of a day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.sums import SummedScope
from pytest_dgbudget.model import Attempt, Period


def scope_of_test(invocation: str, attempt: Attempt) -> SummedScope:
    """All attempts of one test in an invocation."""
    values = {"invocation": invocation, "nodeid": attempt.nodeid, "worker": attempt.worker}
    return SummedScope(f"test:{invocation}:{attempt.worker}:{attempt.nodeid}", sql.TEST_SUMS, values, closes=False)


def scope_of_path(run: str, glob: str) -> SummedScope:
    """The tests of a run whose path budget is this one."""
    return SummedScope(f"path:{run}:{glob}", sql.PATH_SUMS, {"run": run, "path": glob})


def scope_of_run(run: str) -> SummedScope:
    """All that a run dials where it is dialled."""
    return SummedScope(f"run:{run}", sql.RUN_SUMS, {"run": run})


def scope_of_day(day: date) -> SummedScope:
    """All billed runs of the ledger on one day (UTC): a lease belongs to that on which it was taken."""
    values = {"since": _midnight(day), "before": _midnight(day + timedelta(days=1))}
    return SummedScope(f"day:{day.isoformat()}", sql.DAY_SUMS, values)


def days_of(period: Period, today: date) -> list[date]:
    """Return the days of the window that ``today`` is in, up to today."""
    if period == "day":
        return [today]
    return [today.replace(day=number) for number in range(1, today.day + 1)]


def _midnight(day: date) -> str:
    return write_instant(datetime.combine(day, time(), timezone.utc))
