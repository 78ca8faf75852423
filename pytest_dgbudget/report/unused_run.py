"""The report of an invocation that no gateway served: the ledger knows what others of the same run used."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger.facts import InvocationFacts, RunFacts
from pytest_dgbudget.report.document import FinishedRun, with_notice, without_document
from pytest_dgbudget.report.reconciliation_figures import ReconciliationFigures, ToleranceFigures, not_compared
from pytest_dgbudget.report.step_summary import with_summary
from pytest_dgbudget.report.usage_file import set_earlier_aside
from pytest_dgbudget.report.writing import write_report
from pytest_dgbudget.rules.verdicts import NOTHING_TO_COMPARE
from pytest_dgbudget.units import seconds

# How long a gateway whose owner is gone has to settle and report.
_SETTLED_SECONDS = 3

_NOT_COMPARED = "the run's sessions have not been compared with the statement yet"


def report_unused(run_config: RunConfig, started_at: str, exit_status: int) -> FinishedRun:
    """Report a run in which this process asked for no session; others of the same run may have."""
    try:
        known = _settled_run(run_config)
    except LedgerError as error:
        return without_document(f"no report: {error}")
    facts = unserved_run(run_config, known, started_at, exit_status, None)
    return _reported(run_config, facts, ())


def report_failed_gateway(run_config: RunConfig, started_at: str, failure: str) -> FinishedRun:
    """Report a run whose gateway never served, so that this process opened no session."""
    set_earlier_aside(run_config.report_dir, run_config.run_id)
    try:
        known = known_run(run_config)
    except LedgerError as error:
        return with_notice(without_document(failure), f"no report: {error}")
    facts = unserved_run(run_config, known, started_at, None, failure)
    return _reported(run_config, facts, (failure,))


def report_lost_gateway(run_config: RunConfig, started_at: str, finished: FinishedRun) -> FinishedRun:
    """Report what the ledger has of a run whose gateway made no report; without it, what was used is not known."""
    try:
        known = known_run(run_config)
    except LedgerError:
        return finished
    if known is None:
        return finished
    failure = finished["notices"][0]
    facts = unserved_run(run_config, known, started_at, None, failure)
    return _reported(run_config, facts, finished["notices"])


def _reported(run_config: RunConfig, facts: RunFacts, notices: Sequence[str]) -> FinishedRun:
    return with_summary(write_report(facts, run_config.report_dir, "", notices), run_config.step_summary)


def _settled_run(run_config: RunConfig) -> RunFacts | None:
    """Return what the ledger has of the run; a forked test had a gateway of its own, which may still be settling."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    known = known_run(run_config)
    while known is not None and any(lease.how is None for lease in known.leases) and time.monotonic() < deadline:
        time.sleep(0.1)
        known = known_run(run_config)
    return known


def known_run(run_config: RunConfig) -> RunFacts | None:
    """Return what the ledger has of the run; None when it has nothing. Raises LedgerError when it can't be read.

    A ledger of an earlier version that has the run is upgraded: nothing else may have opened it since.
    """
    if _is_missing(run_config.ledger):  # as in most projects that open no session: nothing more is loaded
        return None
    from pytest_dgbudget.ledger.opening import open_existing
    from pytest_dgbudget.ledger.reading import LedgerReader
    from pytest_dgbudget.ledger.upgrade import upgrade_to_read

    connection = open_existing(run_config.ledger, run_config.ledger_password, durable=False)
    if connection is None:
        return None
    with closing(connection):
        upgrade_to_read(connection, run_config.run_id)
        return LedgerReader(connection).known_run(run_config.run_id)


def _is_missing(ledger: Path | str) -> bool:
    with suppress(OSError):
        return isinstance(ledger, Path) and not ledger.exists()
    return False


def unserved_run(
    run_config: RunConfig, known: RunFacts | None, started_at: str, exit_status: int | None, failure: str | None
) -> RunFacts:
    """Return the facts of a run after an invocation that ends now without a gateway.

    ``known``: what earlier invocations left in the ledger. ``failure``: why there was no gateway although one was
    wanted; such an invocation is not complete, and nothing of it is compared.
    """
    invocation = InvocationFacts(
        id="",
        budget_ms=run_config.budget_ms,
        cost_budget_micro_usd=run_config.cost_budget_micro_usd,
        started_at=started_at,
        finished_at=utc_now(),
        exit_status=exit_status if failure is None else None,
        may_bypass=int(run_config.may_bypass),
    )
    facts = known or _unused(run_config)
    facts = facts._replace(invocations=(*facts.invocations, invocation))
    if known is not None and known.reconciliation is not None and failure is None:
        return facts
    return facts._replace(reconciliation=_reconciliation(run_config, known, failure))


def _unused(run_config: RunConfig) -> RunFacts:
    return RunFacts(
        id=run_config.run_id,
        target=run_config.recorded_target,
        billed=run_config.billed,
        tag=run_config.tag,
        invocations=(),
        attempts=(),
        leases=(),
        sessions=(),
        reconciliation=None,
    )


def _reconciliation(run_config: RunConfig, known: RunFacts | None, failure: str | None) -> ReconciliationFigures:
    tolerance: ToleranceFigures = {
        "seconds": seconds(run_config.tolerance_ms),
        "share": run_config.tolerance_share,
    }
    if run_config.reconcile == "off":
        return not_compared("off", tolerance)
    if failure is not None:
        return not_compared("inconclusive", tolerance, failure)
    if known is not None and known.sessions:
        return not_compared("pending", tolerance, _NOT_COMPARED)
    return not_compared("reconciled", tolerance, NOTHING_TO_COMPARE)
