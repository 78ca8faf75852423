"""Grants of attempts that began in a gateway that is gone, or that are over: as the ledger knows them."""

from __future__ import annotations

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.overruns import Overruns
from pytest_dgbudget.ledger.facts import KnownAttempt
from pytest_dgbudget.protocol.operations import BeginAttempt


def restored(known: KnownAttempt, asked: BeginAttempt) -> Grant:
    """Return a grant of a gateway that is gone, as the ledger knows it."""
    grant = Grant(known.attempt, asked)
    grant.settled_ms = known.settled_ms + (known.orphaned_ms or 0)
    grant.settled_micro_usd = known.settled_micro_usd
    grant.earlier_turns = known.turns
    grant.earlier_reports = known.vendor_latencies
    grant.lost_ms = known.orphaned_ms
    grant.ended_sessions = {session.id: session for session in known.sessions}
    grant.overruns = Overruns(known.overruns, known.refused)
    grant.bypasses = list(known.bypasses)
    cut = next((overrun for overrun in grant.overruns.all if overrun.kind == "cut"), None)
    if cut is not None:
        grant.spent.set_result(cut)
    return grant


def ended(known: KnownAttempt) -> Grant:
    """Return the grant of an attempt that is over, as the ledger knows it: nobody can spend by it."""
    attempt = known.attempt
    asked = BeginAttempt(
        nodeid=attempt.nodeid,
        worker=attempt.worker,
        target=attempt.target,
        budget_ms=attempt.budget_ms,
        idle_ms=None,
        scenario=None,
        pace="vendor",
    )
    grant = restored(known, asked)
    grant.ended.set_result("teardown")
    return grant
