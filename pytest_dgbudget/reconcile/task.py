"""What is to be reconciled: a run's sessions as the ledger has them, and the terms of the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.deepgram.parts import KeyPart, StatementPart, TagPart
from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.statements import lag_in
from pytest_dgbudget.rules import reconciliation_verdict as verdicts
from pytest_dgbudget.rules.comparison import Ours, OwnSession, Terms
from pytest_dgbudget.rules.prices import SHIPPED
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.rules.verdicts import Tolerance, Verdict
from pytest_dgbudget.units import known_sum

_SHIPPED = {str(tier): price for tier, price in SHIPPED.micro_usd_per_minute.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationTask:
    """A run's sessions, and by what they are compared. ``only``: the ids of those that can be; None: of all.

    ``drift`` is a share of their sum, ``prices`` are those that the user names, in micro-dollars a minute by tier.
    """

    facts: RunFacts
    tolerance: Tolerance
    grace_ms: int
    drift: float
    prices: Mapping[str, int]
    only: frozenset[str] | None = None

    def terms_at(self, now_ms: int) -> Terms:
        """Return the terms of a comparison with what was read by ``now_ms``; an emulator's prices are its own."""
        return Terms(
            tolerance=self.tolerance,
            grace_ms=self.grace_ms,
            now_ms=now_ms,
            drift=self.drift,
            prices=self.prices if self.facts.billed else {},
            shipped=_SHIPPED if self.facts.billed else {},
        )

    @property
    def ours(self) -> Ours:
        """By what rows of the statement are this run's."""
        return Ours(tags=frozenset([self.facts.tag]), keys=frozenset(key.id for key in self.facts.run_keys))

    def parts(self) -> Sequence[StatementPart]:
        """Return by what the run's hours and dollars are asked for: its own keys, or where one was not used its tag."""
        deleted = {key.id for key in self.facts.run_keys if key.ended_at is not None}
        keys = [KeyPart(key, key in deleted) for key in sorted(self.facts.own_keys_alone())]
        return keys or [TagPart(self.facts.tag)]

    @property
    def started_at(self) -> datetime:
        """When the first session was dialled."""
        return min(_instant(session.opened_at) for session in self.facts.of_own_target().sessions)

    @property
    def ended_at_ms(self) -> int | None:
        """When the last session that can be in the statement ended; None where that is not known of each."""
        ended = [session.ended_at_ms for session in self.sessions() if session.request_id is not None]
        known = [at_ms for at_ms in ended if at_ms is not None]
        return max(known) if known and len(known) == len(ended) else None

    @property
    def ended_by_ms(self) -> int:
        """When the last session had ended, at the latest: one whose end nobody saw may have used up its lease."""
        own = self.facts.of_own_target()
        allowance_ms = {lease.id: lease.allowance_ms for lease in own.leases}
        return max(
            _epoch_ms(session.opened_at) + allowance_ms[session.lease]
            if session.closed_at is None
            else _epoch_ms(session.closed_at)
            for session in own.sessions
        )

    def known_lag(self) -> StatementLag:
        """Return what earlier readings saw of the same sessions: nothing where one has ended since."""
        before, ended_at_ms = self.facts.reconciliation, self.ended_at_ms
        lag = lag_in(before)
        if before is None or lag is None or ended_at_ms is None or _epoch_ms(before["checked_at"]) < ended_at_ms:
            return StatementLag()
        return lag

    def sessions(self) -> list[OwnSession]:
        """Return the sessions that can be compared; a dial that is known never to have opened is none."""
        return [session for session in self._opened() if self.only is None or session.id in self.only]

    def left_out(self) -> int:
        """Count the sessions that can't be compared."""
        return len(self._opened()) - len(self.sessions())

    def _opened(self) -> list[OwnSession]:
        by_key = bool(self.facts.own_keys_alone())
        return [
            OwnSession(
                id=session.id,
                request_id=session.request_id,
                ms=session.ms,
                ended_at_ms=None if session.closed_at is None else _epoch_ms(session.closed_at),
                tagged=session.tagged != 0 or by_key,
                run=self.facts.id,
                opened_at_ms=_epoch_ms(session.opened_at),
                handshake_ms=session.handshake_ms,
                closing_ms=session.closing_ms,
                tier=session.only_tier,
            )
            for session in self.facts.of_own_target().sessions
            if session.may_have_opened
        ]


def task_of(run_config: RunConfig, facts: RunFacts, only: frozenset[str] | None = None) -> ReconciliationTask:
    """Return what a run's configuration asks to be reconciled."""
    tolerance = Tolerance(ms=run_config.tolerance_ms, share=run_config.tolerance_share)
    return ReconciliationTask(
        facts=facts,
        tolerance=tolerance,
        grace_ms=run_config.vendor_grace_ms,
        drift=run_config.drift_share,
        prices=run_config.prices,
        only=only,
    )


def not_asked(task: ReconciliationTask, verdict: Verdict, *reasons: str) -> Reconciliation:
    """Return how things stand when the vendor is not asked, and why it isn't."""
    return verdicts.not_asked(task.sessions(), task.tolerance, verdict, *reasons)


def stated_leases(facts: RunFacts, stated_ms: Mapping[str, int]) -> dict[str, int]:
    """Return the milliseconds of each orphaned lease whose sessions were each seen here or are in the statement.

    Those that are charged so already are left out.
    """
    leases, own = {}, facts.of_own_target()
    for lease in own.leases:
        if lease.how == "orphaned":
            of_lease = (session for session in own.sessions if session.lease == lease.id)
            ms = known_sum(stated_ms.get(session.id, session.ms) for session in of_lease)
            if ms is not None and ms != lease.stated_ms:
                leases[lease.id] = ms
    return leases


def _instant(at: str) -> datetime:
    instant = read_instant(at)
    assert instant is not None, at  # the ledger's own form
    return instant


def _epoch_ms(at: str) -> int:
    return round(_instant(at).timestamp() * 1000)
