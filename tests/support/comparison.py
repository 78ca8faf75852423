"""Runs as the ledger has them, and what comes of comparing them over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from pytest_dgbudget.deepgram.management import ManagementApi
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.ledger.facts import RunFacts, SessionFacts
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.reconcile.snapshot import reconcile
from pytest_dgbudget.reconcile.task import ReconciliationTask
from pytest_dgbudget.rules.comparison import Terms
from pytest_dgbudget.rules.prices import SHIPPED
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.rules.verdicts import Tolerance
from tests.support import facts
from tests.support.statement import Bill, Entry

KEY = "the-secret-key-of-the-tests"
TAG = "dgbudget-run"
TOLERANCE = Tolerance(ms=2000, share=0.05)


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def own(request_id: str | None = "r", seconds: float | None = 10, *, ago: float = 0, **fields: Any) -> SessionFacts:
    """A session that ended so many seconds ago."""
    ended = datetime.now(timezone.utc) - timedelta(seconds=ago)
    known = {
        "id": f"session-{request_id}",
        "request_id": request_id,
        "ms": None if seconds is None else round(seconds * 1000),
        "opened_at": at(ended - timedelta(seconds=seconds or 10)),
        "closed_at": None if seconds is None else at(ended),
    }
    return facts.session(**{**known, **fields})


def billed(request_id: str = "r", seconds: float = 10, **fields: Any) -> Entry:
    return Entry(request_id, seconds, **{"tags": (TAG,), **fields})


def run_of(sessions: Iterable[SessionFacts]) -> RunFacts:
    """Return a run with these sessions, and with the keys that they were dialled with."""
    sessions = tuple(sessions)
    used = dict.fromkeys(session.run_key for session in sessions if session.run_key is not None)
    return facts.run(sessions=sessions, run_keys=tuple(facts.run_key(key) for key in used))


@dataclass
class Comparison:
    """Compares sessions with what a statement's server has of them, and keeps every result in turn.

    ``before``: what came of the run's last comparison.
    """

    bill: Bill
    timeout: float = 10
    project: str | None = None
    grace: float = 600
    tolerance: Tolerance = TOLERANCE
    key: str = KEY
    url: str | None = None
    prices: Mapping[str, int] = field(default_factory=dict)
    earlier_lags: Mapping[str, Sequence[StatementLag]] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None
    results: list[Reconciliation] = field(default_factory=list)

    def of(self, *sessions: SessionFacts) -> Reconciliation:
        return self.of_run(run_of(sessions))

    def of_run(self, run: RunFacts) -> Reconciliation:
        task = ReconciliationTask(
            facts=run._replace(reconciliation=self.before),
            terms=Terms(
                tolerance=self.tolerance,
                grace_ms=round(self.grace * 1000),
                now_ms=0,
                prices=self.prices,
                shipped={str(tier): price for tier, price in SHIPPED.micro_usd_per_minute.items()},
            ),
        )
        access = ApiAccess(api_url=self.url or self.bill.url, key=self.key, project=self.project)
        timeout = Timeout(self.timeout)
        api = ManagementApi(access, task.parts(), timeout)
        reconcile(task, api, timeout, self.results.append, self.earlier_lags)
        return self.results[-1]


def kinds(result: Reconciliation) -> list[str]:
    return [line.kind for line in result.lines]
