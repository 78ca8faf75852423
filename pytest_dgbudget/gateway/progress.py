"""What to show of a run while it goes on."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.ledger.budgets import Settled
from pytest_dgbudget.protocol.operations import Progress
from pytest_dgbudget.units import seconds, usd


def progress_of(settled: Settled, grants: Iterable[Grant], waiting: int) -> Progress:
    """Add up what is settled of the run and what its open leases have used; what they have left is at risk.

    What a test dials elsewhere than its run counts in no figure of the run, nor does a replay beside live sessions.
    """
    of_run = [grant for grant in grants if grant.attempt.target is None]
    leases = [grant.lease for grant in of_run if grant.lease is not None]
    sessions = [session for grant in of_run for session in grant.open_sessions if not session.is_beside_live]
    return Progress(
        used_seconds=seconds(settled.ms + sum(lease.used_ms() for lease in leases)),
        used_usd=usd(settled.micro_usd + sum(lease.micro_usd() for lease in leases)),
        at_risk_seconds=seconds(sum(max(0, lease.lease.allowance_ms - lease.used_ms()) for lease in leases)),
        at_risk_usd=usd(sum(max(0, lease.lease.micro_usd - lease.micro_usd()) for lease in leases)),
        open_sessions=sum(session.handshake_ms is not None for session in sessions),
        waiting=waiting,
    )
