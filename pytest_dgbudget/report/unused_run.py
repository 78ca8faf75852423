"""A run that was given a budget and in which nothing asked for a session: that is a result, too."""

from __future__ import annotations

from dataclasses import replace

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.ledger.facts import InvocationFacts, RunFacts
from pytest_dgbudget.model import utc_now
from pytest_dgbudget.report.reconciliation_figures import reconciliation_figures
from pytest_dgbudget.rules.reconciliation import Tolerance
from pytest_dgbudget.rules.reconciliation_verdict import NOTHING_TO_COMPARE, Reconciliation, not_asked


def unused_run(run_config: RunConfig, started_at: str, exit_status: int) -> RunFacts:
    """Return the facts of a run that ends now and that no gateway was started for."""
    invocation = InvocationFacts(
        id="",
        budget_ms=run_config.budget_ms,
        started_at=started_at,
        finished_at=utc_now(),
        exit_status=exit_status,
    )
    facts = RunFacts(
        id=run_config.run_id,
        target=run_config.target,
        billed=run_config.billed,
        tag=run_config.tag,
        invocations=(invocation,),
        attempts=(),
        leases=(),
        sessions=(),
        reconciliation=None,
    )
    return replace(facts, reconciliation=reconciliation_figures(_reconciliation(run_config), facts))


def _reconciliation(run_config: RunConfig) -> Reconciliation:
    tolerance = Tolerance(ms=run_config.tolerance_ms, share=run_config.tolerance_share)
    if run_config.reconcile == "off":
        return Reconciliation(verdict="off", tolerance=tolerance)
    return not_asked((), tolerance, "reconciled", NOTHING_TO_COMPARE)
