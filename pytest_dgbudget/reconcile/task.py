"""What is to be reconciled: a run's sessions as the ledger has them, and the terms of the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.deepgram.parts import KeyPart, StatementPart, TagPart
from pytest_dgbudget.instants import epoch_ms
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.statements import lag_in
from pytest_dgbudget.reconcile.own_sessions import own_session
from pytest_dgbudget.reconcile.terms import terms_of
from pytest_dgbudget.rules import reconciliation_verdict as verdicts
from pytest_dgbudget.rules.comparison import NOBODYS, Ours, OwnSession, Terms
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation
from pytest_dgbudget.rules.statement_lag import StatementLag
from pytest_dgbudget.rules.verdicts import Verdict
from pytest_dgbudget.units import known_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationTask:
    """A run's sessions, and by what they are compared. ``only``: the ids of those that can be; None: of all.

    ``terms`` are those of no time; ``terms_at`` has them for what was read.
    """

    facts: RunFacts
    terms: Terms
    only: frozenset[str] | None = None

    def terms_at(self, now_ms: int) -> Terms:
        """Return the terms of a comparison with what was read by ``now_ms``."""
        return replace(self.terms, now_ms=now_ms)

    @property
    def ours(self) -> Ours:
        """By what rows of the statement are this run's; its tag and keys tell nothing while others use them as well.

        An emulator's statement has nobody else's.
        """
        if self.only is None and any(each.is_under_way for each in self.facts.invocations):
            return NOBODYS
        return Ours(tags=frozenset([self.facts.tag]), keys=frozenset(key.id for key in self.facts.run_keys))

    def parts(self) -> Sequence[StatementPart]:
        """Return by what the run's hours and dollars are asked for: its own keys, or where one was not used its tag."""
        deleted = {key.id for key in self.facts.run_keys if key.ended_at is not None}
        keys = [KeyPart(key, key in deleted) for key in sorted(self.facts.own_keys_alone())]
        return keys or [TagPart(self.facts.tag)]

    @property
    def started_at(self) -> datetime:
        """When the first session was dialled."""
        first_ms = min(epoch_ms(session.opened_at) for session in self.facts.of_own_target().sessions)
        return datetime.fromtimestamp(first_ms / 1000, timezone.utc)

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
            epoch_ms(session.opened_at) + allowance_ms[session.lease]
            if session.closed_at is None
            else epoch_ms(session.closed_at)
            for session in own.sessions
        )

    def is_recent_at(self, now_ms: int) -> bool:
        """Return whether the statement may still lack the last session."""
        grace_ms = self.terms.grace_ms
        return grace_ms is None or now_ms - self.ended_by_ms < grace_ms

    def known_lag(self) -> StatementLag:
        """Return what earlier readings saw of the same sessions: nothing where one has ended since."""
        before, ended_at_ms = self.facts.reconciliation, self.ended_at_ms
        lag = lag_in(before)
        if before is None or lag is None or ended_at_ms is None or epoch_ms(before["checked_at"]) < ended_at_ms:
            return StatementLag()
        return lag

    def sessions(self) -> list[OwnSession]:
        """Return the sessions that can be compared.

        A dial that is known never to have opened is none, and what others of the run have open can't be yet.
        """
        return [session for session in self._opened() if self.only is None or session.id in self.only]

    def dials(self) -> list[OwnSession]:
        """Return the dials that are known never to have opened."""
        return [
            own_session(session, self.facts.id)
            for session in self.facts.of_own_target().sessions
            if session.replayed_from is None
            and not session.may_have_opened
            and (self.only is None or session.id in self.only)
        ]

    def left_out(self) -> int:
        """Count the sessions that can't be compared."""
        return len(self._opened()) - len(self.sessions())

    def _opened(self) -> list[OwnSession]:
        by_key, others = bool(self.facts.own_keys_alone()), self.facts.others_under_way()
        return [
            own_session(session, self.facts.id, by_key=by_key)
            for session in self.facts.of_own_target().sessions
            if session.replayed_from is None
            and session.may_have_opened
            and (session.usage is not None or session.attempt not in others)
        ]


def task_of(run_config: RunConfig, facts: RunFacts, only: frozenset[str] | None = None) -> ReconciliationTask:
    """Return what a run's configuration asks to be reconciled."""
    return ReconciliationTask(facts=facts, terms=terms_of(run_config, facts.target, 0), only=only)


def not_asked(task: ReconciliationTask, verdict: Verdict, *reasons: str) -> Reconciliation:
    """Return how things stand when the vendor is not asked, and why it isn't."""
    return verdicts.not_asked(task.sessions(), task.terms.tolerance, verdict, *reasons)


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
